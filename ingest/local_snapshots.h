#pragma once

#include <spdlog/logger.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "ingest/snapshot_file.h"
#include "ingest/snapshot_store.h"

namespace runledger::ingest {

// Snapshots in a directory: state.dir/<group>/<cluster>/<topic>-<partition>/<epoch>-<offset>.snapshot, the two newest
// of each partition. So groups, and clusters, may share a directory. Earlier versions knew neither and wrote into
// state.dir/<topic>-<partition>: these are read where there is no newer one, and named; nothing is written or deleted
// there. A file is written under another name, synced, renamed, and its directory synced, so a name stands for a whole
// snapshot or for what a crash left, which the checksum tells. One thread of its own does all reading and writing.
class LocalSnapshots : public SnapshotStore {
 public:
  struct Options {
    std::string directory;                // state.dir
    std::string group;                    // log.group
    size_t max_bytes = size_t{16} << 30;  // largest state that is read back
  };
  // `listener` must outlive the store.
  LocalSnapshots(Options options, SnapshotListener* listener, std::shared_ptr<spdlog::logger> logger);
  ~LocalSnapshots() override;

  // Makes the directory and starts the thread. Not OK: it cannot be written, and why.
  absl::Status Start();
  // Finishes what was asked for. Idempotent.
  void Stop();

  void Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id, int64_t log_epoch,
            const std::string& pointer, const Position& before) override;
  void Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) override;
  void Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) override;
  void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) override;
  void Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) override;

 private:
  struct Writing;

  void Post(std::function<void()> task);
  void Run();
  std::string FolderOf(const TopicPartition& partition, const std::string& cluster_id) const;
  // Where else snapshots of the partition may be: of the group in other clusters, and of earlier versions.
  std::vector<std::string> OtherFoldersOf(const TopicPartition& partition, const std::string& cluster_id) const;
  absl::StatusOr<Snapshot> LoadNewest(const TopicPartition& partition, const std::string& cluster_id, int64_t log_epoch,
                                      const Position& before);
  absl::Status Open(Writing* writing);
  absl::Status Close(Writing* writing);
  void RemoveOld(const std::string& folder);

  const Options options_;
  SnapshotListener* const listener_;
  const std::shared_ptr<spdlog::logger> logger_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;                     // guarded by mutex_
  bool stopping_ = false;                                       // guarded by mutex_
  std::map<TopicPartition, std::unique_ptr<Writing>> writing_;  // the thread's own
  std::thread thread_;
};

}  // namespace runledger::ingest
