#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "ingest/snapshot_store.h"

namespace runledger::fakes {

// Keeps what a store of snapshots answers, for the test to wait for. Any thread.
class SnapshotAnswers : public ingest::SnapshotListener {
 public:
  void OnSnapshotLoaded(const ingest::TopicPartition&, ingest::Tenure,
                        absl::StatusOr<ingest::Snapshot> snapshot) override {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(snapshot);
    wake_.notify_all();
  }
  void OnSnapshotSaved(const ingest::TopicPartition&, ingest::Tenure, uint64_t save,
                       absl::StatusOr<ingest::SavedSnapshot> saved) override {
    const std::lock_guard lock(mutex_);
    saved_[save] = std::move(saved);
    wake_.notify_all();
  }
  absl::StatusOr<ingest::Snapshot> Loaded() {
    std::unique_lock lock(mutex_);
    if (!wake_.wait_for(lock, kPatience, [&] { return loaded_.has_value(); }))
      return absl::DeadlineExceededError("no answer to a load");
    auto taken = *std::move(loaded_);
    loaded_.reset();
    return taken;
  }
  bool has_saved(uint64_t save) {
    const std::lock_guard lock(mutex_);
    return saved_.contains(save);
  }
  absl::StatusOr<ingest::SavedSnapshot> Saved(uint64_t save) {
    std::unique_lock lock(mutex_);
    if (!wake_.wait_for(lock, kPatience, [&] { return saved_.contains(save); }))
      return absl::DeadlineExceededError("no answer to a save");
    auto taken = std::move(saved_.at(save));
    saved_.erase(save);
    return taken;
  }

 private:
  static constexpr std::chrono::seconds kPatience{120};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<absl::StatusOr<ingest::Snapshot>> loaded_;
  std::map<uint64_t, absl::StatusOr<ingest::SavedSnapshot>> saved_;
};

}  // namespace runledger::fakes
