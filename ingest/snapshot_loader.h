#pragma once

#include <spdlog/logger.h>

#include <chrono>
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
#include "absl/status/statusor.h"
#include "ingest/kafka_snapshots.h"
#include "ingest/snapshot_chunks.h"
#include "ingest/snapshot_reader.h"
#include "ingest/snapshot_saver.h"

namespace runledger::ingest {

// The reading half of KafkaSnapshots: loads what commits point to, one snapshot after the other, and, when there is
// nothing to load, looks for what crashed owners left behind. One thread of its own; calls may come from any thread and
// return at once.
class SnapshotLoader {
 public:
  struct Request {
    TopicPartition partition;
    Tenure tenure = 0;
    std::string cluster_id;
    int64_t log_epoch = 0;
    std::string pointer;
    Position before;
    std::chrono::steady_clock::time_point asked;
  };

  // All must outlive the loader.
  SnapshotLoader(const KafkaSnapshots::Options& options, SnapshotListener* listener,
                 std::shared_ptr<spdlog::logger> logger, SnapshotSaver* saver);
  ~SnapshotLoader();

  absl::Status Start();
  // Gives up what it is doing. Idempotent.
  void Stop();

  void Load(Request request);
  // The group has accepted the first commit of this owner.
  void Confirmed(const TopicPartition& partition, Tenure tenure);

 private:
  using Clock = std::chrono::steady_clock;
  // What is known of a partition that was assigned to this process.
  struct Taken {
    Tenure tenure = 0;
    std::string found_id;       // of the snapshot that was committed then; empty: none
    std::vector<int64_t> ends;  // of the topic's partitions at that time; empty: not known
    std::optional<Position> loaded;
    bool confirmed = false;
    bool swept = false;
  };

  void Post(std::function<void()> task);
  void Run();
  void LoadNow(const Request& request);
  absl::StatusOr<Snapshot> Find(const Request& request, const absl::StatusOr<SnapshotPointer>& pointer, Taken* taken);
  absl::StatusOr<std::string> ReadPatiently(const Request& request, const SnapshotPointer& pointer);
  std::vector<int64_t> AskEnds();
  void Sweep();
  bool stopped();
  bool interrupted();

  const KafkaSnapshots::Options& options_;
  SnapshotListener* const listener_;
  const std::shared_ptr<spdlog::logger> logger_;
  SnapshotSaver* const saver_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_

  // The thread's own.
  std::unique_ptr<SnapshotReader> reader_;
  std::map<TopicPartition, Taken> taken_;
  bool ends_known_ = false;  // at least once
  std::string ends_problem_;
  Clock::time_point ask_again_;
  Clock::time_point progress_;  // of any load
  std::optional<Clock::time_point> sweep_at_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace runledger::ingest
