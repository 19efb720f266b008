#include "ingest/partition_directory.h"

#include <gtest/gtest.h>

namespace runledger::ingest {
namespace {

class PartitionDirectoryTest : public testing::Test {
 protected:
  PartitionDirectoryTest() {
    auto shard =
        std::make_shared<aggregators::Shard>(aggregators::ShardOptions{}, std::make_shared<aggregators::JobPolicies>());
    aggregators::ShardPositions positions;
    positions.shown = true;
    EXPECT_TRUE(shard->Publish(positions));
    directory_.Add({{"events", 0}, shard, nullptr});
    directory_.SetAssigned();
  }

  int64_t now_us_ = 100;
  PartitionDirectory directory_;
};

TEST_F(PartitionDirectoryTest, WithoutAGroupThereIsNothingToLose) {
  EXPECT_TRUE(directory_.InContact());
  EXPECT_EQ(directory_.List().size(), 1);
  EXPECT_TRUE(directory_.Ready());
}

TEST_F(PartitionDirectoryTest, PartitionsAreThereUntilTheGroupMayHaveGivenThemAway) {
  directory_.SetContact([this] { return now_us_; }, 200);
  now_us_ = 200;
  EXPECT_EQ(directory_.List().size(), 1);
  EXPECT_TRUE(directory_.Ready());
  now_us_ = 201;  // nobody has run in between
  EXPECT_TRUE(directory_.List().empty());
  EXPECT_FALSE(directory_.Ready());
  EXPECT_FALSE(directory_.InContact());
  EXPECT_TRUE(directory_.assigned()) << "nobody has said otherwise";
  directory_.ExtendContact(300);
  EXPECT_EQ(directory_.List().size(), 1);
  directory_.ExtendContact(250);
  now_us_ = 300;
  EXPECT_EQ(directory_.List().size(), 1) << "an answer that came late takes nothing back";
}

}  // namespace
}  // namespace runledger::ingest
