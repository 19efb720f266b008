#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runledger::kafka {

// A Kafka broker within this process, for demonstrations and tests: librdkafka's mock cluster. Other processes may
// connect to it too. It keeps nothing on disk and at most 5 MiB a partition, and drops the oldest beyond that in
// silence; its topics are CreateTime; it knows no admin requests. Any thread.
class EmbeddedBroker {
 public:
  static absl::StatusOr<std::unique_ptr<EmbeddedBroker>> Start();
  // Stops the broker and forgets all it held.
  ~EmbeddedBroker();

  // "127.0.0.1:34567".
  const std::string& bootstrap() const { return bootstrap_; }
  absl::Status CreateTopic(const std::string& topic, int partitions);
  // Answers nothing until it is up again.
  void SetDown();
  void SetUp();

 private:
  struct Impl;
  explicit EmbeddedBroker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  std::string bootstrap_;
};

}  // namespace runledger::kafka
