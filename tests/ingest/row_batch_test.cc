#include "ingest/row_batch.h"

#include <gtest/gtest.h>

namespace runledger::ingest {
namespace {

TEST(RowBatch, KeepsRowsAndWhereTheyCameFrom) {
  RowBatch batch({"t", 1}, 2, {10, 0});
  const kafka::Header headers[] = {{"a", "1"}, {"b", ""}};
  batch.BeginRecord(true, "key", headers);
  batch.Add({10, 0}, 100, "event-0", "");
  batch.Add({10, 1}, 100, "event-1", "column: reason");
  batch.BeginRecord(false, "", {});
  batch.Add({12, 0}, 200, std::string_view("ev\0ent", 6), "");
  batch.ExtendTo({13, 0});

  ASSERT_EQ(batch.size(), 3);
  EXPECT_EQ(batch[0].event, "event-0");
  EXPECT_EQ(batch[0].refused, "");
  EXPECT_EQ(batch[1].refused, "column: reason");
  EXPECT_EQ(batch[1].position, (Position{10, 1}));
  EXPECT_EQ(batch[2].event.size(), 6);
  EXPECT_EQ(batch[2].log_time_us, 200);
  EXPECT_EQ(batch.to(), (Position{13, 0}));
  for (size_t i : {0, 1}) {
    const RowBatch::Origin origin = batch.OriginOf(i);
    EXPECT_TRUE(origin.has_key);
    EXPECT_EQ(origin.key, "key");
    ASSERT_EQ(origin.headers.size(), 2);
    EXPECT_EQ(origin.headers[0].name, "a");
    EXPECT_EQ(origin.headers[1].value, "");
  }
  EXPECT_FALSE(batch.OriginOf(2).has_key);
  EXPECT_TRUE(batch.OriginOf(2).headers.empty());
}

TEST(RowBatch, AnEmptyKeyIsNotNoKey) {
  RowBatch batch({"t", 1}, 0, {0, 0});
  batch.BeginRecord(true, "", {});
  batch.Add({0, 0}, 0, "e", "");
  EXPECT_TRUE(batch.OriginOf(0).has_key);
}

}  // namespace
}  // namespace runledger::ingest
