#include "ingest/job_home.h"

#include <gtest/gtest.h>

#include <string>

namespace runledger::ingest {
namespace {

using kafka::Partitioner;
using kafka::PartitionFor;

std::string Job(int i) { return "job-" + std::to_string(i); }

TEST(JobHome, LearnsOnlyOfMorePartitions) {
  JobHome home(Partitioner::kMurmur2, true, {});
  EXPECT_FALSE(home.known());
  EXPECT_FALSE(home.Grow(0));
  EXPECT_TRUE(home.Grow(2));
  EXPECT_FALSE(home.Grow(2));
  EXPECT_TRUE(home.Grow(4));
  EXPECT_FALSE(home.Grow(3)) << "a topic that was made again is another log";
  EXPECT_EQ(home.partitions(), (std::vector<int32_t>{2, 4}));
}

TEST(JobHome, EachJobHasOneHomeAndKnowsWhereItWas) {
  JobHome home(Partitioner::kMurmur2, true, {2, 3});
  home.Grow(5);
  int moved = 0;
  for (int i = 0; i < 500; ++i) {
    for (int32_t partition = 0; partition < 5; ++partition) {
      const bool was = partition == PartitionFor(Partitioner::kMurmur2, Job(i), 2) ||
                       partition == PartitionFor(Partitioner::kMurmur2, Job(i), 3);
      const bool is = partition == PartitionFor(Partitioner::kMurmur2, Job(i), 5);
      EXPECT_EQ(home.IsHome(Job(i), partition), is);
      EXPECT_EQ(home.HasMovedFrom(Job(i), partition), was && !is);
      moved += was && !is ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 100);
}

TEST(JobHome, WithoutGrowthNothingHasMoved) {
  JobHome home(Partitioner::kCrc32, true, {4});
  for (int i = 0; i < 100; ++i) {
    for (int32_t partition = 0; partition < 4; ++partition) EXPECT_FALSE(home.HasMovedFrom(Job(i), partition));
  }
}

TEST(JobHome, WhereHomesAreUnknownEveryPartitionIsOne) {
  for (const JobHome& home : {JobHome(Partitioner::kNone, true, {2, 4}), JobHome(Partitioner::kMurmur2, false, {2, 4}),
                              JobHome(Partitioner::kMurmur2, true, {})}) {
    EXPECT_TRUE(home.IsHome("job", 3));
    EXPECT_FALSE(home.HasMovedFrom("job", 3));
  }
}

}  // namespace
}  // namespace runledger::ingest
