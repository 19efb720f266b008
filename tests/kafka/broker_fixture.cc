#include "kafka/broker_fixture.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "ingest/kafka/admin.h"
#include "kafka/peer.h"

namespace runledger::test {
namespace {

constexpr char kScript[] = RUNLEDGER_TESTS_DIR "/kafka/broker";
constexpr int kAdminTimeoutMs = 60'000;

}  // namespace

absl::StatusOr<std::unique_ptr<TestBroker>> TestBroker::Start(const Options& options) {
  std::string directory = MakeTempDir("kafka");
  std::vector<std::string> command = {kScript,  "start",      "--dir",   directory,
                                      "--heap", options.heap, "--owner", std::to_string(getpid())};
  if (!options.properties.empty()) {
    command.emplace_back("--properties");
    command.insert(command.end(), options.properties.begin(), options.properties.end());
  }
  absl::StatusOr<std::string> bootstrap = RunProgram(command);
  if (!bootstrap.ok()) {
    RemoveTree(directory);
    return bootstrap.status();
  }
  return std::unique_ptr<TestBroker>(new TestBroker(std::move(directory), *std::move(bootstrap)));
}

TestBroker::~TestBroker() {
  if (const absl::Status killed = Kill(); !killed.ok()) std::fprintf(stderr, "%s\n", killed.ToString().c_str());
  if (::testing::UnitTest::GetInstance()->Failed()) {
    std::fprintf(stderr, "the broker's directory is kept: %s\n", directory_.c_str());
  } else {
    RemoveTree(directory_);
  }
}

absl::Status TestBroker::CreateTopic(const std::string& topic, int partitions, const kafka::Settings& config) {
  return kafka::CreateTopics(client(), {{.name = topic, .partitions = partitions, .replication = 1, .config = config}},
                             kAdminTimeoutMs);
}

absl::Status TestBroker::Do(const std::string& verb) {
  return RunProgram({kScript, verb, "--dir", directory_}).status();
}
absl::Status TestBroker::Stop() { return Do("stop"); }
absl::Status TestBroker::Kill() { return Do("kill"); }
absl::Status TestBroker::Pause() { return Do("pause"); }
absl::Status TestBroker::Resume() { return Do("resume"); }
absl::Status TestBroker::Restart() { return Do("restart"); }

std::unique_ptr<TestBroker> BrokerTest::broker_;
absl::Status BrokerTest::unavailable_;

void BrokerTest::StartBroker(const TestBroker::Options& options) {
  absl::StatusOr<std::unique_ptr<TestBroker>> started = TestBroker::Start(options);
  unavailable_ = started.status();
  if (started.ok()) {
    broker_ = *std::move(started);
    return;
  }
  if (absl::IsUnavailable(unavailable_) && !PeersRequired()) {
    ReportSkipped(::testing::UnitTest::GetInstance()->current_test_suite()->name(),
                  std::string(unavailable_.message()));
  }
}

void BrokerTest::StopBroker() { broker_.reset(); }

void BrokerTest::SetUp() {
  if (broker_ != nullptr) return;
  if (absl::IsUnavailable(unavailable_) && !PeersRequired()) GTEST_SKIP() << unavailable_;
  FAIL() << "no broker: " << unavailable_;
}

std::string BrokerTest::FreshName(const std::string& stem) {
  static std::atomic<int> count{0};
  return stem + "-" + std::to_string(++count);
}

}  // namespace runledger::test
