#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ingest/delivery.h"
#include "ingest/kafka/consumer.h"
#include "ingest/own_metrics.h"
#include "ingest/partition_directory.h"

namespace runledger::ingest {

// The time. Production reads the machine's clocks; tests bring their own. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Moment Now() const = 0;
};
class MachineClock : public Clock {
 public:
  Moment Now() const override;
};

// A thread that owns deliveries, and with them the shards of some partitions: it drains their queues in batches, and
// between batches serves answers and questions. Nothing here is shared with another worker.
class Worker {
 public:
  // `metrics` and `clock` must outlive the worker. Throws std::system_error where no thread or descriptor is left.
  Worker(std::string name, const Clock* clock, OwnMetrics* metrics);
  // Stops the thread. Deliveries that are left are dropped as after a crash.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `task` on the worker's thread, soon and in the order posted. Any thread.
  void Post(std::function<void()> task);
  // Questions: like Post, but bounded, and served only after everything posted before. False if there are too many.
  bool Ask(std::function<void()> question);

  // The rest only from tasks, on the worker's thread.
  void Add(std::unique_ptr<Delivery> delivery, std::string topic_label);
  // nullptr if the partition is not here any more, or under a later tenure.
  Delivery* Find(const TopicPartition& partition, Tenure tenure);
  // Drains this queue for that reader of the partition from now on; nullptr: none.
  void SetQueue(const TopicPartition& partition, Tenure tenure, Reader reader,
                std::unique_ptr<kafka::PartitionQueue> queue);
  // Drops the delivery and its queues.
  void Remove(const TopicPartition& partition, Tenure tenure);
  Moment Now() const { return clock_->Now(); }

  // Partitions it owns, for spreading them. Any thread.
  int load() const { return load_.load(std::memory_order_relaxed); }  // a hint that nobody orders by

 private:
  struct Slot {
    std::unique_ptr<Delivery> delivery;
    std::array<std::unique_ptr<kafka::PartitionQueue>, 2> queues;  // by Reader
    std::string topic;
  };

  void Run();
  bool DrainOnce(Slot& slot, Reader reader);
  void RunTasks();
  void ReportCounts(Slot& slot);
  void Wait(int timeout_ms);

  const std::string name_;
  const Clock* const clock_;
  OwnMetrics* const metrics_;
  int wake_fd_;  // eventfd: written by Post, Ask and librdkafka's queues

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;     // guarded by mutex_
  std::deque<std::function<void()>> questions_;  // guarded by mutex_
  bool stopping_ = false;                        // guarded by mutex_

  std::map<TopicPartition, Slot> slots_;  // the thread's own
  kafka::MessageBatch batch_;
  std::vector<Record> records_;
  std::atomic<int> load_{0};  // written by the thread, read by any

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace runledger::ingest
