#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "ingest/kafka/producer.h"
#include "ingest/kafka_snapshots.h"
#include "ingest/snapshot_chunks.h"
#include "ingest/snapshot_file.h"

namespace runledger::ingest {

// The writing half of KafkaSnapshots: packs snapshots into chunks, produces them, and deletes what is not needed any
// more. One thread of its own, which also serves the producer; calls may come from any thread and return at once.
class SnapshotSaver {
 public:
  // A chunk to be deleted.
  struct Deletion {
    int32_t partition = 0;
    std::string key;
  };
  // `options` and `listener` must outlive the saver. `on_confirmed`: the group has accepted an owner's first commit.
  // The saver's thread.
  SnapshotSaver(const KafkaSnapshots::Options& options, SnapshotListener* listener,
                std::shared_ptr<spdlog::logger> logger,
                std::function<void(const TopicPartition&, Tenure)> on_confirmed);
  ~SnapshotSaver();

  // InvalidArgument: a setting is wrong.
  absl::Status Start();
  // Finishes what was asked for, a few seconds at most. Idempotent.
  void Stop();

  bool full() const { return on_its_way_.load(std::memory_order_relaxed) >= options_.on_its_way_bytes; }
  // Of the topic. Until it is known nothing can be written.
  void SetPartitions(int32_t count) { partitions_.store(count, std::memory_order_relaxed); }
  // An owner begins, with what its predecessor committed.
  void Take(const TopicPartition& partition, Tenure tenure, std::optional<SnapshotPointer> found);
  void Delete(std::vector<Deletion> deletions);

  // As SnapshotStore has them.
  void Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity);
  void Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes);
  void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save);
  void Abort(const TopicPartition& partition, Tenure tenure, uint64_t save);
  void Committed(const TopicPartition& partition, Tenure tenure, const std::string& pointer);

 private:
  struct Writing;
  // A snapshot that is whole, and may be what a commit points to.
  struct Kept {
    uint64_t save = 0;  // 0: the predecessor's
    SnapshotPointer pointer;
  };
  struct Owner {
    Tenure tenure = 0;
    bool confirmed = false;
    std::deque<Kept> kept;  // the oldest first
  };
  // A message that is not reported yet.
  struct Sent {
    TopicPartition of;  // of a chunk
    std::string id;
    size_t bytes = 0;
    std::optional<Deletion> deletion;  // or this
  };

  void Post(std::function<void()> task);
  void Run();
  absl::Status MakeProducer();
  void RenewProducer();
  void OnReport(const kafka::DeliveryReport& report);
  void SendDeletions();
  void SendChunks(Writing* writing, bool all);
  absl::Status Send(const kafka::OutgoingMessage& message, Sent sent);
  // The one that is being written, if it is that one.
  Writing* Find(const TopicPartition& partition, Tenure tenure, uint64_t save);
  Owner* OwnerOf(const TopicPartition& partition, Tenure tenure);
  void AnswerIfDone(const TopicPartition& partition);
  void GiveUp(const TopicPartition& partition);
  void DeleteChunks(const TopicPartition& of, int32_t partition, const std::string& id, int32_t chunks);

  const KafkaSnapshots::Options& options_;
  SnapshotListener* const listener_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::function<void(const TopicPartition&, Tenure)> on_confirmed_;

  // Bytes handed over and not packed yet, and chunks not acknowledged yet. Written by callers and the thread, read by
  // callers: a bound that may be overstepped by one piece, so nothing is ordered by it.
  std::atomic<int64_t> on_its_way_{0};
  std::atomic<int32_t> partitions_{0};  // written by the loader, read by the thread; nothing is ordered by it

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                     // guarded by mutex_

  // The thread's own.
  std::unique_ptr<kafka::Producer> producer_;  // nullptr: it could not be made again
  bool producer_dead_ = false;
  std::map<TopicPartition, std::unique_ptr<Writing>> writing_;
  std::map<TopicPartition, Owner> owners_;
  std::map<uint64_t, Sent> sent_;
  size_t deletions_sent_ = 0;
  std::deque<Deletion> deletions_;
  uint64_t next_tag_ = 1;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace runledger::ingest
