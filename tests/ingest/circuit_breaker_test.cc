#include "ingest/circuit_breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runledger::ingest {
namespace {

using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;
constexpr size_t kMost = 4;

CircuitBreaker Make(CircuitOptions options = {}) { return CircuitBreaker(options, "events[0]"); }
absl::Status DiskFull() { return absl::UnavailableError("disk full"); }

TEST(CircuitBreaker, LetsEverythingThroughWhileAllIsWell) {
  CircuitBreaker circuit = Make();
  EXPECT_EQ(circuit.Allows(kMost, 0), kMost);
  circuit.OnDone(100);
  EXPECT_EQ(circuit.Allows(kMost, 0), kMost);
  EXPECT_FALSE(circuit.open());
}

TEST(CircuitBreaker, OpensTriesOneAndClosesByItself) {
  CircuitBreaker circuit = Make();
  circuit.OnStopped(DiskFull(), 100 * kSecond);
  EXPECT_TRUE(circuit.open());
  EXPECT_EQ(circuit.reason(), DiskFull());
  EXPECT_EQ(circuit.Allows(kMost, 100 * kSecond), 0);
  EXPECT_EQ(circuit.Allows(kMost, 101 * kSecond), 1) << "the probe";
  circuit.OnDone(1);
  EXPECT_EQ(circuit.Allows(kMost, 101 * kSecond), kMost);
  EXPECT_TRUE(circuit.reason().ok());
}

TEST(CircuitBreaker, PausesDoubleAreSpreadAndBounded) {
  CircuitBreaker circuit = Make();
  CircuitBreaker other({}, "events[1]");
  int64_t now = 0;
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const int64_t pause = circuit.Pause(i);
    const int64_t base = std::min<int64_t>(30 * kSecond, 200'000LL << std::min(i, 20));
    EXPECT_GE(pause, base * 3 / 4) << i;
    EXPECT_LE(pause, base * 5 / 4) << i;
    different += pause != other.Pause(i) ? 1 : 0;
    circuit.OnStopped(DiskFull(), now);
    EXPECT_EQ(circuit.Allows(kMost, now + pause - 1), 0) << i;
    now += pause;
    EXPECT_EQ(circuit.Allows(kMost, now), 1) << i;
  }
  EXPECT_GT(different, 90);
  circuit.OnDone(1);
  circuit.OnStopped(DiskFull(), now);
  EXPECT_EQ(circuit.Allows(kMost, now + kSecond), 1) << "from the beginning again";
}

TEST(CircuitBreaker, SingleRowsAreSingleRows) {
  CircuitBreaker circuit = Make();
  EXPECT_TRUE(circuit.OnRefused(1, 1, "bad", 0)) << "one of one proves nothing";
  EXPECT_TRUE(circuit.OnRefused(2, 5'000, "bad", 0));
  EXPECT_FALSE(circuit.open());
}

TEST(CircuitBreaker, ABatchOfRefusedRowsIsNotSingleRows) {
  CircuitBreaker circuit = Make();
  EXPECT_FALSE(circuit.OnRefused(2'501, 5'000, "no such column", 0));
  EXPECT_TRUE(circuit.open());
  EXPECT_THAT(std::string(circuit.reason().message()), HasSubstr("2501 of 5000"));
  EXPECT_THAT(std::string(circuit.reason().message()), HasSubstr("no such column"));
  EXPECT_FALSE(circuit.OnRefused(2'501, 5'000, "no such column", kSecond)) << "the probe met the same";
  EXPECT_TRUE(circuit.OnRefused(2'500, 5'000, "bad", 2 * kSecond)) << "half of them is not more than half";
  EXPECT_FALSE(circuit.open());
}

TEST(CircuitBreaker, ManySmallBatchesOfRefusedRowsAreMany) {
  CircuitBreaker circuit = Make();
  int letters = 0;
  while (letters < 1'000 && circuit.OnRefused(1, 1, "no such column", 0)) {
    ++letters;
    circuit.OnDone(1);
  }
  EXPECT_EQ(letters, 50) << "half of circuit.few_rows";
}

TEST(CircuitBreaker, WhatWasLongAgoIsForgotten) {
  CircuitBreaker circuit = Make();
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(circuit.OnRefused(1, 1, "bad", 0));
    circuit.OnDone(1);
  }
  circuit.OnDone(20'000);
  EXPECT_TRUE(circuit.OnRefused(50, 50, "bad", 0));
}

TEST(CircuitBreaker, AHundredPercentNeverOpens) {
  CircuitBreaker circuit = Make({.refused_percent = 100});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(circuit.OnRefused(5'000, 5'000, "bad", 0));
    circuit.OnDone(5'000);
  }
}

}  // namespace
}  // namespace runledger::ingest
