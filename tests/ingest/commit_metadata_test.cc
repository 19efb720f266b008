#include "ingest/commit_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runledger::ingest {
namespace {

using testing::HasSubstr;

TEST(CommitMetadata, ComesBackAsItWent) {
  CommitMetadata metadata;
  metadata.index = 12;
  metadata.cluster_id = "MkU3OEVBNTcwNTJENDM2Qk";
  metadata.log_epoch = 3;
  metadata.rules = 4'000'000'000u;
  metadata.before_time_ms = 1'768'217'408'000;
  metadata.before_hash = "00ff";
  metadata.snapshot = "local:17";
  metadata.counted_from = 4;
  metadata.replay_floor = 5;
  metadata.applied_at_revocation = 99;
  metadata.stream = "projects/p/datasets/d/tables/t/streams/s";
  metadata.stream_base = 7;
  metadata.stream_next_row = 8;
  metadata.advertise = "http://host:9464";
  metadata.partitions = {2, 12, 24};
  const auto text = metadata.Encode();
  ASSERT_TRUE(text.ok()) << text.status();
  const auto back = CommitMetadata::Decode(*text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, metadata);
}

TEST(CommitMetadata, DefaultsAreShortAndPrintable) {
  const auto text = CommitMetadata().Encode();
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "{\"v\":1}");
  EXPECT_EQ(*CommitMetadata::Decode(""), CommitMetadata()) << "another tool committed without metadata";
}

TEST(CommitMetadata, NoByteIsZeroOrBeyondAscii) {
  CommitMetadata metadata;
  metadata.advertise = std::string("http://h\xC3\xB6st\0x", 14);
  const auto text = metadata.Encode();
  ASSERT_TRUE(text.ok());
  for (const char c : *text) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << *text;
  EXPECT_EQ(CommitMetadata::Decode(*text)->advertise, metadata.advertise);
}

TEST(CommitMetadata, WhatDoesNotFitIsAnError) {
  CommitMetadata metadata;
  metadata.advertise = std::string(5'000, 'a');
  EXPECT_THAT(std::string(metadata.Encode().status().message()), HasSubstr("4096"));
}

TEST(CommitMetadata, OthersAndNewerOnesAreNamed) {
  EXPECT_THAT(std::string(CommitMetadata::Decode("some consumer").status().message()), HasSubstr("not runledger's"));
  EXPECT_THAT(std::string(CommitMetadata::Decode("{\"v\":2}").status().message()), HasSubstr("version 2"));
  EXPECT_FALSE(CommitMetadata::Decode("{\"v\":1,\"i\":\"five\"}").ok());
  EXPECT_FALSE(CommitMetadata::Decode("{\"v\":1,\"i\":-1}").ok());
  EXPECT_FALSE(CommitMetadata::Decode("{\"v\":1,\"p\":[2,\"x\"]}").ok());
}

}  // namespace
}  // namespace runledger::ingest
