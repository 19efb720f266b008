#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "exporters/support/shard_feed.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// Answers at once, on the thread that asks: for shards that nobody writes meanwhile.
class DirectMailbox : public ingest::ShardMailbox {
 public:
  explicit DirectMailbox(std::shared_ptr<const aggregators::Shard> shard) : shard_(std::move(shard)) {}
  bool Ask(std::function<void(const aggregators::Shard&)> question) override {
    question(*shard_);
    return true;
  }

 private:
  const std::shared_ptr<const aggregators::Shard> shard_;
};

// Keeps questions until somebody serves them. Any thread.
class HeldMailbox : public ingest::ShardMailbox {
 public:
  bool Ask(std::function<void(const aggregators::Shard&)> question) override {
    const std::lock_guard lock(mutex_);
    if (full_) return false;
    questions_.push_back(std::move(question));
    return true;
  }
  void SetFull(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  // Runs what has been asked so far; returns how many.
  size_t Serve(const aggregators::Shard& shard) {
    const auto questions = Take();
    for (const auto& question : questions) question(shard);
    return questions.size();
  }
  // Throws away what has been asked so far, as a partition that leaves does.
  size_t Drop() { return Take().size(); }

 private:
  std::vector<std::function<void(const aggregators::Shard&)>> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(questions_, {});
  }

  std::mutex mutex_;
  bool full_ = false;
  std::vector<std::function<void(const aggregators::Shard&)>> questions_;
};

inline void Own(ingest::PartitionDirectory* directory, const std::string& topic, int32_t partition,
                const ShardFeed& feed) {
  directory->Add({{topic, partition}, feed.shard(), std::make_shared<DirectMailbox>(feed.shard())});
}

}  // namespace runledger::exporters
