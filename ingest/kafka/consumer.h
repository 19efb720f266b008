#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"

namespace runledger::kafka {

// Records drained from one partition. Holding it keeps whole fetch buffers in memory: use it and let it go.
class MessageBatch {
 public:
  MessageBatch();
  ~MessageBatch();
  MessageBatch(const MessageBatch&) = delete;
  MessageBatch& operator=(const MessageBatch&) = delete;

  std::span<const MessageView> messages() const { return messages_; }
  // Set if the partition reported an error behind the messages: OutOfRange: the position is not in the log any more.
  const absl::Status& error() const { return error_; }
  // Set if the reader reached the end of the log: the offset that it will read next. It may lie behind the last record:
  // the marks of transactions take offsets too.
  std::optional<int64_t> end_of_log() const { return end_of_log_; }
  void Clear();

 private:
  friend class PartitionQueue;
  struct Raw;
  std::unique_ptr<Raw> raw_;
  std::vector<MessageView> messages_;
  absl::Status error_;
  std::optional<int64_t> end_of_log_;
};

// The fetch queue of one assigned partition, apart from the client's other queues: what is not drained is not fetched
// any more once the local limit is reached, and nothing else waits for it. One thread at a time.
class PartitionQueue {
 public:
  ~PartitionQueue();
  PartitionQueue(const PartitionQueue&) = delete;
  PartitionQueue& operator=(const PartitionQueue&) = delete;

  // Takes up to `max` records that are there, waiting at most timeout_ms for the first.
  void Drain(size_t max, int timeout_ms, MessageBatch* batch);
  // Writes eight bytes to the file descriptor (an eventfd) whenever the queue stops being empty; below 0: no more.
  void WakeOn(int fd);

 private:
  friend class Consumer;
  friend class PartitionReader;
  struct Impl;
  explicit PartitionQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct CommittedOffset {
  TopicPartition partition;
  int64_t offset = kOffsetUnknown;  // kOffsetUnknown: none committed
  std::string metadata;
};

struct PartitionOffset {
  TopicPartition partition;
  int64_t offset = kOffsetUnknown;
};

// A member of a consumer group on librdkafka. Positions are explicit: nothing is stored or committed by itself, and a
// position that the log does not have is an error, never a jump.
//
// One thread polls; the listener is called on it. Drain runs on any thread, one a queue. Committed and the
// offset queries may be called from any thread and may block for as long as their timeout says.
class Consumer {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // The listener calls Assign for these before it returns, or the group waits for it.
    virtual void OnAssigned(const std::vector<TopicPartition>& partitions) = 0;
    // The listener calls Unassign for these before it returns. `lost`: another member may own them already.
    virtual void OnRevoked(const std::vector<TopicPartition>& partitions, bool lost) = 0;
    // The answer to Commit(offsets, tag). FailedPrecondition: the group has moved on without this member.
    virtual void OnCommitted(uint64_t tag, const absl::Status& status) = 0;
    // Something is wrong that the client itself tries to mend: Unavailable: brokers are down; NotFound: a topic is not
    // there yet. But FailedPrecondition is the end: another member has this one's group.instance.id.
    virtual void OnError(const absl::Status& status) = 0;
  };

  // `settings` go over the defaults; `listener` and whatever `log` refers to must outlive the consumer.
  static absl::StatusOr<std::unique_ptr<Consumer>> Create(const Settings& settings, Listener* listener,
                                                          LogCallback log);
  // Backs up Close, without a word to the listener. Queues must be gone before.
  // InvalidArgument: one of the settings is always the same.
  static absl::Status CheckSettings(const Settings& settings);
  ~Consumer();

  absl::Status Subscribe(const std::vector<std::string>& topics);
  // Serves rebalances and errors. REQUIRES: called at least once in max.poll.interval.ms.
  void Poll(int timeout_ms);
  // How long the group counts on a member that it does not hear of.
  int session_timeout_ms() const;
  // The client has given up for good, for instance because another one with the same group.instance.id took its place.
  bool Fatal() const;
  // Leaves the group (a static member stays in it) and waits for that, a few seconds if no broker answers: OnRevoked
  // comes from within. Polling thread.
  void Close();

  // The group gives out all of a member's partitions at each rebalance, and not only those that it gets in addition.
  bool eager() const;
  // Starts reading. kOffsetBeginning and kOffsetEnd are allowed. The queue of each partition must have been opened
  // before.
  absl::Status Assign(const std::vector<PartitionOffset>& starts);
  absl::Status Unassign(const std::vector<TopicPartition>& partitions);
  // Reads a partition from elsewhere: gives it up and takes it again. Its queue must not be drained meanwhile.
  absl::Status Restart(const PartitionOffset& start);
  std::unique_ptr<PartitionQueue> OpenQueue(const TopicPartition& partition);

  absl::StatusOr<std::vector<CommittedOffset>> Committed(const std::vector<TopicPartition>& partitions, int timeout_ms);
  // Commits in one request and returns at once; the listener hears of it from within Poll, ServeCommits or Unassign. A
  // commit waits while the member joins a new generation of the group: it would be refused. Polling thread.
  absl::Status Commit(const std::vector<CommittedOffset>& offsets, uint64_t tag);
  // For listeners that wait within OnRevoked: hands over answers to commits, waiting for one at most so long.
  void ServeCommits(int timeout_ms);

  // Ends (or starts) of partitions as their leaders know them now, asked at once and answered in parallel. A partition
  // whose leader did not answer in time has kOffsetUnknown.
  std::vector<PartitionOffset> EndOffsets(const std::vector<TopicPartition>& partitions, int timeout_ms);
  std::vector<PartitionOffset> StartOffsets(const std::vector<TopicPartition>& partitions, int timeout_ms);

  // Asks for all topics, which makes the client look whether those it subscribed to have changed, and the group share
  // out new partitions at once instead of at topic.metadata.refresh.interval.ms.
  absl::Status RefreshTopics(int timeout_ms);
  absl::StatusOr<int32_t> PartitionCount(const std::string& topic, int timeout_ms);
  // Empty if no broker answers in time.
  std::string ClusterId(int timeout_ms);

 private:
  struct Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::kafka
