#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "ingest/position.h"

namespace runledger::ingest {

// Puts questions to the thread that owns a shard.
class ShardMailbox {
 public:
  virtual ~ShardMailbox() = default;
  // Runs `question` on the owner's thread between two batches. False if the mailbox is full or the partition is gone:
  // then it is not run. It must be short, and must not keep what it is given.
  virtual bool Ask(std::function<void(const aggregators::Shard&)> question) = 0;
};

// What readers need of one partition that this process owns.
struct PartitionView {
  TopicPartition partition;
  std::shared_ptr<const aggregators::Shard> shard;  // Read() only
  std::shared_ptr<ShardMailbox> mailbox;
};

// A sentence that an operator should read: what is wrong with a partition or the whole instance.
struct Problem {
  std::string subject;  // "topic[3]", "warehouse", "log"
  std::string text;
};

// The subject of what is wrong with the connection to the log.
inline constexpr char kLogProblem[] = "log";

// The partitions that this process owns right now, and what is wrong with it. Any thread; nothing on the hot path.
class PartitionDirectory {
 public:
  void Add(PartitionView view) {
    const std::lock_guard lock(mutex_);
    views_[view.partition] = view;
  }
  void Replace(const TopicPartition& partition, std::shared_ptr<const aggregators::Shard> shard) {
    const std::lock_guard lock(mutex_);
    if (const auto at = views_.find(partition); at != views_.end()) at->second.shard = std::move(shard);
  }
  void Remove(const TopicPartition& partition) {
    const std::lock_guard lock(mutex_);
    views_.erase(partition);
    problems_.erase(ToString(partition));
  }
  // Sorted by topic and partition.
  std::vector<PartitionView> List() const {
    const std::lock_guard lock(mutex_);
    std::vector<PartitionView> views;
    for (const auto& [partition, view] : views_) views.push_back(view);
    return views;
  }

  // An empty text: it is well again.
  void SetProblem(const std::string& subject, const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (text.empty()) {
      problems_.erase(subject);
    } else {
      problems_[subject] = text;
    }
  }
  std::vector<Problem> Problems() const {
    const std::lock_guard lock(mutex_);
    std::vector<Problem> problems;
    for (const auto& [subject, text] : problems_) problems.push_back({subject, text});
    return problems;
  }

  // True: the group has told this process what it owns, perhaps nothing, and that stands here. False: it is not known
  // any more.
  void SetAssigned(bool assigned = true) {
    const std::lock_guard lock(mutex_);
    assigned_ = assigned;
  }
  bool assigned() const {
    const std::lock_guard lock(mutex_);
    return assigned_;
  }
  // Restored: the group has answered, and every partition owned shows its series again.
  bool Ready() const {
    const std::lock_guard lock(mutex_);  // over both: what is assigned comes and goes together with its views
    return assigned_ && std::all_of(views_.begin(), views_.end(),
                                    [](const auto& entry) { return entry.second.shard->Read()->positions.shown; });
  }

 private:
  mutable std::mutex mutex_;
  std::map<TopicPartition, PartitionView> views_;
  std::map<std::string, std::string> problems_;
  bool assigned_ = false;
};

}  // namespace runledger::ingest
