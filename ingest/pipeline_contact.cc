#include <algorithm>
#include <chrono>

#include "ingest/pipeline.h"

// The pipeline's contact with the log: what its clients report, what the partitions' leaders answer, and what of both
// is a problem.

namespace runledger::ingest {
namespace {

constexpr int kStartsEvery = 10;  // the log's start is asked for at every so manieth contact

}  // namespace

void Pipeline::OnError(const absl::Status& status) {
  const std::string text(status.message());
  parts_.logger->warn("kafka: {}", text);
  {
    const std::lock_guard lock(log_problem_mutex_);
    last_error_ = text;
  }
  // With partitions, their leaders' answers tell whether it matters: one broker of many may be gone.
  if (consumer_ != nullptr && consumer_->Fatal()) {
    OnFatal(text);
  } else if (!parts_.directory->assigned()) {
    SetLogProblem("no word yet from the group's coordinator through log.brokers " + options_.brokers + ": " + text);
  }
}

// The client has given up for good: another member took this one's place (log.instance_id), or the group refuses it.
// The leaders of the partitions would go on to answer, and what they say is not ours to tell any more.
void Pipeline::OnFatal(const std::string& text) {
  if (fatal_.exchange(true)) return;
  SetLogProblem(text +
                ": this instance is no member of the group any more, and shows nothing until it is started again");
  parts_.directory->SetAssigned(false);
  std::vector<TopicPartition> all;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const auto& [partition, owned] : owned_) all.push_back(partition);
  }
  if (!all.empty()) GiveUp(all, /*lost=*/true);
  if (parts_.on_fatal) parts_.on_fatal(text);
}

void Pipeline::SetLogProblem(const std::string& text) {
  if (text.empty() && fatal_) return;
  {
    const std::lock_guard lock(log_problem_mutex_);
    if (text.empty()) last_error_.clear();
    if (text.empty() == log_problem_.empty()) {
      log_problem_ = text;
      parts_.directory->SetProblem(kLogProblem, text);
      return;
    }
    log_problem_ = text;
    parts_.directory->SetProblem(kLogProblem, text);
  }
  if (text.empty()) {
    parts_.logger->info("log: well again");
  } else {
    parts_.logger->error("log: {}", text);
  }
}

// An answer that fails once is no problem yet; what is not caught up any more is one.
void Pipeline::NoteAnswers(size_t asked, size_t silent, int64_t* all_answered_us) {
  const int64_t now_us = parts_.clock->Now().mono_us;
  if (silent == 0) {
    *all_answered_us = now_us;
    SetLogProblem("");
    return;
  }
  if (now_us - *all_answered_us <= options_.delivery.contact_timeout_us || !parts_.directory->assigned()) return;
  std::string text = "the leaders of " + std::to_string(silent) + " of " + std::to_string(asked) +
                     " partitions have not answered for longer than log.contact_timeout: verdicts are unknown";
  {
    const std::lock_guard lock(log_problem_mutex_);
    if (!last_error_.empty()) text += "; " + last_error_;
  }
  SetLogProblem(text);
}

void Pipeline::RunContact() {
  const auto interval =
      std::chrono::microseconds(std::clamp<int64_t>(options_.delivery.contact_timeout_us / 4, 100'000, 1'000'000));
  int64_t all_answered_us = 0;
  for (int round = 0;; ++round) {
    {
      std::unique_lock lock(contact_mutex_);
      contact_wake_.wait_for(lock, interval, [this] { return contact_now_ || stopping_; });
      if (stopping_) return;
      if (contact_now_) round = 0;
      contact_now_ = false;
    }
    std::vector<TopicPartition> partitions;
    std::map<TopicPartition, Tenure> tenures;
    {
      const std::lock_guard lock(owned_mutex_);
      for (const auto& [partition, owned] : owned_) {
        if (!owned.started) continue;
        partitions.push_back(partition);
        tenures[partition] = owned.tenure;
      }
    }
    if (partitions.empty()) {
      all_answered_us = parts_.clock->Now().mono_us;
      continue;
    }
    std::map<TopicPartition, int64_t> starts;
    if (round % kStartsEvery == 0) {
      for (const kafka::PartitionOffset& start : consumer_->StartOffsets(partitions, kLeaderTimeoutMs))
        starts[start.partition] = start.offset;
    }
    const Moment asked = parts_.clock->Now();  // before the question: the answer holds for that moment
    int64_t time_us = asked.wall_us;
    if (options_.delivery.log_clock) {
      time_us = aggregators::kNever;
      for (const PartitionView& view : parts_.directory->List())
        time_us = std::max(time_us, view.shard->Read()->positions.log_time_us);
    }
    size_t silent = 0;
    for (const kafka::PartitionOffset& end : consumer_->EndOffsets(partitions, kLeaderTimeoutMs)) {
      if (end.offset < 0) {
        ++silent;
        continue;
      }
      const auto start = starts.find(end.partition);
      const int64_t start_offset = start == starts.end() ? kafka::kOffsetUnknown : start->second;
      ToDelivery(end.partition, tenures[end.partition],
                 [start_offset, offset = end.offset, asked, time_us](Delivery& d, const Moment& now) {
                   d.OnLogEnd(start_offset, offset, asked, time_us, now);
                 });
    }
    NoteAnswers(partitions.size(), silent, &all_answered_us);
  }
}

}  // namespace runledger::ingest
