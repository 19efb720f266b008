#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"

namespace runledger::kafka {

// What became of a message: where it stands in the log, or why it does not.
struct DeliveryReport {
  uint64_t tag = 0;  // as given to Produce
  absl::Status status;
  int32_t partition = -1;
  int64_t offset = -1;
};

// An idempotent producer, acks=all. Produce and Flush may be called from any thread; reports come on the thread that
// calls Poll or Flush. A message is retried until it is written or `message.timeout.ms` has passed.
class Producer {
 public:
  using ReportCallback = std::function<void(const DeliveryReport&)>;

  // `settings` go over the defaults. `report` and `log` must outlive the producer; either may be empty.
  static absl::StatusOr<std::unique_ptr<Producer>> Create(const Settings& settings, ReportCallback report,
                                                          LogCallback log);
  // Drops what was not sent: call Flush before.
  ~Producer();

  // Copies the message. ResourceExhausted: the local queue is full, Poll and try again.
  absl::Status Produce(const OutgoingMessage& message, uint64_t tag);
  void Poll(int timeout_ms);
  // Waits until everything is reported. Unavailable if messages are still on their way at the deadline.
  absl::Status Flush(int timeout_ms);
  // Messages not reported yet.
  int outstanding() const;

  // Partitions of a topic, asked from the cluster. NotFound if it does not exist.
  absl::StatusOr<int32_t> PartitionCount(const std::string& topic, int timeout_ms);

 private:
  struct Impl;
  explicit Producer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::kafka
