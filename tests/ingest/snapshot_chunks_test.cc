#include "ingest/snapshot_chunks.h"

#include <gtest/gtest.h>

#include <set>

namespace runledger::ingest {
namespace {

TEST(SnapshotChunks, APointerIsShortAndComesBack) {
  const SnapshotPointer pointer{7, INT64_MAX - 5'000, INT64_MAX - 1, 4'999, "0123456789abcdef"};
  EXPECT_LT(pointer.Encode().size(), 100u);
  const auto back = SnapshotPointer::Decode(pointer.Encode());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, pointer);
}

TEST(SnapshotChunks, WhatIsNoPointerIsRefused) {
  for (const char* text :
       {"", "k1", "k1/", "k2/0/1/2/1/0123456789abcdef", "k1/0/1/2/1", "k1/0/1/2/1/", "k1/0/1/2/1/0123456789ABCDEF",
        "k1/0/1/2/1/0123456789abcdef/", "k1/0/1/2/1/0123456789abcdef0", "k1/-1/1/2/1/0123456789abcdef",
        "k1/0/2/1/1/0123456789abcdef", "k1/0/1/2/0/0123456789abcdef", "k1/0/1/2/3/0123456789abcdef",
        "k1/0/1/99999999999999999999/1/0123456789abcdef", "k1/0/1/2/1x/0123456789abcdef", "k1/0//2/1/0123456789abcdef",
        "000001-00000000000000000005.snapshot"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(SnapshotPointer::Decode(text).status())) << text;
  }
}

TEST(SnapshotChunks, AKeyComesBackWhateverTheNames) {
  const ChunkKey key{"gro\"up/ä", {"events.v1", 12}, "0123456789abcdef", 345};
  EXPECT_EQ(ChunkKey::Decode(key.Encode()), key);
  EXPECT_EQ(key.Encode().find('\0'), std::string::npos);
}

TEST(SnapshotChunks, OthersKeysAreNotOurs) {
  for (const char* text :
       {"", "x", "{}", "[]", R"(["g","t",1,"0123456789abcdef"])", R"(["g","t","1","0123456789abcdef",2])",
        R"(["g","t",1,"short",2])", R"(["g","t",1,"0123456789abcdef",-2])", R"(["g","t",1,"0123456789abcdef",2,3])",
        R"([1,"t",1,"0123456789abcdef",2])"}) {
    EXPECT_FALSE(ChunkKey::Decode(text).has_value()) << text;
  }
}

TEST(SnapshotChunks, IdsAreNeverTheSame) {
  std::set<std::string> ids;
  for (int i = 0; i < 1'000; ++i) ids.insert(NewSnapshotId());
  EXPECT_EQ(ids.size(), 1'000u);
  EXPECT_EQ(ids.begin()->size(), 16u);
}

}  // namespace
}  // namespace runledger::ingest
