#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"

namespace runledger::test {

// A real Apache Kafka broker, started by tests/kafka/broker in a directory of its own and killed when this process
// ends, however it ends. One thread at a time.
class TestBroker {
 public:
  struct Options {
    std::vector<std::string> properties = {};  // "name=value", over the script's own
    std::string heap = "512m";
  };

  // Unavailable: Java, Maven or the jars cannot be had.
  static absl::StatusOr<std::unique_ptr<TestBroker>> Start(const Options& options);
  static absl::StatusOr<std::unique_ptr<TestBroker>> Start() { return Start(Options{}); }
  // Stops it and removes its data, unless the running test has failed: then the directory stays for a look.
  ~TestBroker();
  TestBroker(const TestBroker&) = delete;
  TestBroker& operator=(const TestBroker&) = delete;

  const std::string& bootstrap() const { return bootstrap_; }  // "127.0.0.1:34567"
  const std::string& directory() const { return directory_; }
  // Settings of a client of this broker.
  kafka::Settings client() const { return {{"bootstrap.servers", bootstrap_}}; }

  // `config` as the broker names it, e.g. {"message.timestamp.type", "LogAppendTime"}.
  absl::Status CreateTopic(const std::string& topic, int partitions, const kafka::Settings& config = {});

  absl::Status Stop();   // in order
  absl::Status Kill();   // SIGKILL
  absl::Status Pause();  // it hangs: connections stay open and nothing is answered
  absl::Status Resume();
  absl::Status Restart();  // on the same data and port; stops it before if it runs

 private:
  TestBroker(std::string directory, std::string bootstrap)
      : directory_(std::move(directory)), bootstrap_(std::move(bootstrap)) {}
  absl::Status Do(const std::string& verb);

  std::string directory_;
  std::string bootstrap_;
};

// Base of suites that need a broker: one for the suite. Where it cannot be had the tests are skipped with a line that
// tools/test counts; under CI=true they fail.
//
//   class ConsumerOnBroker : public BrokerTest {};
//   TEST_F(ConsumerOnBroker, Reads) { ... broker().bootstrap() ... }
class BrokerTest : public ::testing::Test {
 public:
  static void SetUpTestSuite() { StartBroker({}); }
  static void TearDownTestSuite() { StopBroker(); }

 protected:
  void SetUp() override;

  static bool has_broker() { return broker_ != nullptr; }
  static TestBroker& broker() { return *broker_; }
  // A topic name that no other test of the run has.
  static std::string FreshName(const std::string& stem);

  // For suites that want a broker of their own kind: call them from SetUpTestSuite and TearDownTestSuite.
  static void StartBroker(const TestBroker::Options& options);
  static void StopBroker();

 private:
  static std::unique_ptr<TestBroker> broker_;
  static absl::Status unavailable_;
};

}  // namespace runledger::test
