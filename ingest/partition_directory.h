#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "ingest/fleet.h"
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
// The subject of what the warehouse says of itself.
inline constexpr char kWarehouseProblem[] = "warehouse";
// The subject of what is wrong with the clocks of this machine or of brokers.
inline constexpr char kClockProblem[] = "clock";
// The subject of what is wrong with the configuration as it was read last.
inline constexpr char kConfigProblem[] = "configuration";

// The partitions that this process owns right now, and what is wrong with it. Any thread; nothing on the hot path.
//
// They are here only while the group is certain to count this process among its members. That ends at a time, not with
// an event: a process that was stopped or cut off looks at the clock before any of its threads has heard that it was
// given up, and shows nothing that another one may own by now.
class PartitionDirectory {
 public:
  // `mono_us` tells CLOCK_BOOTTIME and must be callable until the directory is gone. Until `until_us` the group does
  // not give this process up. Without a call it never does.
  void SetContact(std::function<int64_t()> mono_us, int64_t until_us) {
    const std::lock_guard lock(mutex_);
    contact_clock_ = std::move(mono_us);
    contact_until_us_ = until_us;
  }
  // Never earlier than before.
  void ExtendContact(int64_t until_us) {
    const std::lock_guard lock(mutex_);
    contact_until_us_ = std::max(contact_until_us_, until_us);
  }
  int64_t contact_until_us() const {  // CLOCK_BOOTTIME
    const std::lock_guard lock(mutex_);
    return contact_until_us_;
  }
  bool InContact() const {
    const std::lock_guard lock(mutex_);
    return InContactLocked();
  }

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
  // Sorted by topic and partition; none without contact.
  std::vector<PartitionView> List() const {
    const std::lock_guard lock(mutex_);
    std::vector<PartitionView> views;
    if (!InContactLocked()) return views;
    for (const auto& [partition, view] : views_) views.push_back(view);
    return views;
  }

  // Who has the other partitions; nullptr: not known (yet, or any more). What it is given must outlive whatever asks:
  // the HTTP server stops first.
  void SetFleet(Fleet* fleet) {
    const std::lock_guard lock(mutex_);
    fleet_ = fleet;
  }
  Fleet* fleet() const {
    const std::lock_guard lock(mutex_);
    return fleet_;
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
  // Restored: the group has answered and counts on this process, and every partition owned shows its series again.
  bool Ready() const {
    const std::lock_guard lock(mutex_);  // over both: what is assigned comes and goes together with its views
    return assigned_ && InContactLocked() && std::all_of(views_.begin(), views_.end(), [](const auto& entry) {
             return entry.second.shard->Read()->positions.shown;
           });
  }

 private:
  bool InContactLocked() const { return contact_clock_ == nullptr || contact_clock_() <= contact_until_us_; }

  mutable std::mutex mutex_;
  std::function<int64_t()> contact_clock_;  // empty: contact is for ever
  int64_t contact_until_us_ = 0;            // CLOCK_BOOTTIME
  std::map<TopicPartition, PartitionView> views_;
  std::map<std::string, std::string> problems_;
  bool assigned_ = false;
  Fleet* fleet_ = nullptr;
};

}  // namespace runledger::ingest
