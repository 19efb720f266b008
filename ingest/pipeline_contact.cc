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
                ": this instance is no member of the group any more (has another one the same log.instance_id?), and "
                "shows nothing until it is started again");
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
  if (!parts_.directory->InContact() && parts_.directory->assigned()) {
    SetLogProblem(
        "the group's coordinator has not confirmed for session.timeout.ms that this instance is a member: another "
        "one may own its partitions by now, so they are not shown");
    return;
  }
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

void Pipeline::OnBrokerTime(const TopicPartition& partition, const BrokerTime& told) {
  const std::lock_guard lock(clock_mutex_);
  anchored_.OnBrokerTime(partition, told);
}

int64_t Pipeline::EarliestTime() const {
  const Moment now = parts_.clock->Now();
  const std::lock_guard lock(clock_mutex_);
  return anchored_.Earliest(now);
}

std::optional<int64_t> Pipeline::TimeToDeleteBy() const {
  const Moment now = parts_.clock->Now();
  if (options_.delivery.log_clock) return now.wall_us;
  const std::lock_guard lock(clock_mutex_);
  return anchored_.TimeToDeleteBy(now);
}

Moment Pipeline::ObserveClock() {
  const Moment now = parts_.clock->Now();
  if (options_.delivery.log_clock) return now;
  std::string problem;
  {
    const std::lock_guard lock(clock_mutex_);
    anchored_.Observe(now);
    problem = anchored_.Problem();
    parts_.metrics->clock_unknown.Add({}).Set(anchored_.Time() ? 0 : 1);
  }
  if (problem == clock_problem_) return now;
  parts_.directory->SetProblem(kClockProblem, problem);
  if (problem.empty()) {
    parts_.logger->info("clock: well again");
  } else if (clock_problem_.empty() || problem.substr(0, 40) != clock_problem_.substr(0, 40)) {
    parts_.logger->error("clock: {}", problem);
  }
  clock_problem_ = std::move(problem);
  return now;
}

std::optional<int64_t> Pipeline::TimeFor(const TopicPartition& partition) {
  const std::lock_guard lock(clock_mutex_);
  return anchored_.TimeFor(partition);
}

// The warehouse says for itself, too, that it takes nothing, and sets the same metric at once.
void Pipeline::ShowCircuits() {
  if (sink_ == nullptr) return;
  const std::vector<Problem> problems = parts_.directory->Problems();
  const bool warehouse = std::any_of(problems.begin(), problems.end(),
                                     [](const Problem& problem) { return problem.subject == kWarehouseProblem; });
  const std::lock_guard lock(circuits_mutex_);
  parts_.metrics->warehouse_circuit_open.Add({{"table", "events"}}).Set(warehouse || !open_circuits_.empty() ? 1 : 0);
}

std::vector<TopicPartition> Pipeline::AskPartitions(const std::vector<TopicPartition>& partitions,
                                                    const std::map<TopicPartition, Tenure>& tenures) {
  std::map<std::string, int32_t> counts;  // 0: nobody answered
  bool grown = false;
  for (const TopicPartition& partition : partitions) {
    if (counts.contains(partition.topic)) continue;
    const int32_t count = consumer_->PartitionCount(partition.topic, kLeaderTimeoutMs).value_or(0);
    counts[partition.topic] = count;
    NotePartitionCount(partition.topic, count);
    int32_t& known = known_counts_[partition.topic];
    if (known > 0 && count > known) {
      grown = true;
      parts_.logger->info("{}: has {} partitions now, it had {}", partition.topic, count, known);
    }
    known = std::max(known, count);
  }
  if (grown) {
    if (absl::Status status = consumer_->RefreshTopics(kLeaderTimeoutMs); !status.ok())
      parts_.logger->warn("new partitions: {}", std::string(status.message()));  // the client finds them in time
  }
  std::vector<TopicPartition> answered;
  for (const TopicPartition& partition : partitions) {
    const int32_t count = counts[partition.topic];
    if (count <= 0) continue;
    answered.push_back(partition);
    ToDelivery(partition, tenures.at(partition), [count](Delivery& d, const Moment&) { d.OnPartitions(count); });
  }
  return answered;
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
    ShowCircuits();
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
      ObserveClock();
      all_answered_us = parts_.clock->Now().mono_us;
      continue;
    }
    if (ask_for_contact_.exchange(false, std::memory_order_relaxed)) {
      const int64_t asked_us = parts_.clock->Now().mono_us;
      if (consumer_->Committed({partitions.front()}, kLeaderTimeoutMs).ok()) NoteContact(asked_us);
    }
    std::map<TopicPartition, int64_t> starts;
    if (round % kStartsEvery == 0) {
      for (const kafka::PartitionOffset& start : consumer_->StartOffsets(partitions, kLeaderTimeoutMs))
        starts[start.partition] = start.offset;
    }
    const Moment asked = ObserveClock();  // before the question: the answer holds for that moment
    int64_t time_us = aggregators::kNever;
    if (options_.delivery.log_clock) {
      for (const PartitionView& view : parts_.directory->List())
        time_us = std::max(time_us, view.shard->Read()->positions.log_time_us);
    }
    // Before the ends: a job whose events go to a new partition by now is known to do so.
    const std::vector<TopicPartition> askable = AskPartitions(partitions, tenures);
    size_t silent = partitions.size() - askable.size();
    for (const kafka::PartitionOffset& end : consumer_->EndOffsets(askable, kLeaderTimeoutMs)) {
      if (end.offset < 0) {
        ++silent;
        continue;
      }
      const auto start = starts.find(end.partition);
      const int64_t start_offset = start == starts.end() ? kafka::kOffsetUnknown : start->second;
      const std::optional<int64_t> time = options_.delivery.log_clock ? time_us : TimeFor(end.partition);
      ToDelivery(end.partition, tenures[end.partition],
                 [start_offset, offset = end.offset, asked, time](Delivery& d, const Moment& now) {
                   d.OnLogEnd(start_offset, offset, asked, time, now);
                 });
    }
    NoteAnswers(partitions.size(), silent, &all_answered_us);
  }
}

}  // namespace runledger::ingest
