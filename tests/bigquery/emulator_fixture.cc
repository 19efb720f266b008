#include "bigquery/emulator_fixture.h"

#include <unistd.h>

#include <atomic>

#include "kafka/peer.h"

namespace runledger::test {
namespace {

constexpr char kScript[] = RUNLEDGER_TESTS_DIR "/bigquery/emulator";

}  // namespace

std::string EmulatorTest::directory_;
std::string EmulatorTest::rest_url_;
std::string EmulatorTest::grpc_address_;
absl::Status EmulatorTest::unavailable_;

void EmulatorTest::SetUpTestSuite() {
  directory_ = MakeTempDir("bigquery");
  const absl::StatusOr<std::string> addresses =
      RunProgram({kScript, "start", "--dir", directory_, "--owner", std::to_string(getpid())});
  unavailable_ = addresses.status();
  if (addresses.ok()) {
    const size_t blank = addresses->find(' ');
    rest_url_ = addresses->substr(0, blank);
    grpc_address_ = addresses->substr(blank + 1);
  } else if (absl::IsUnavailable(unavailable_) && !PeersRequired()) {
    ReportSkipped(::testing::UnitTest::GetInstance()->current_test_suite()->name(),
                  std::string(unavailable_.message()));
  }
}

void EmulatorTest::TearDownTestSuite() {
  EXPECT_TRUE(RunProgram({kScript, "stop", "--dir", directory_}).ok());
  RemoveTree(directory_);
}

void EmulatorTest::SetUp() {
  if (unavailable_.ok()) return;
  if (absl::IsUnavailable(unavailable_) && !PeersRequired()) GTEST_SKIP() << unavailable_;
  FAIL() << "no emulator: " << unavailable_;
}

std::string EmulatorTest::FreshDataset() {
  static std::atomic<int> count{0};
  return "d" + std::to_string(++count);
}

}  // namespace runledger::test
