#include <algorithm>
#include <chrono>
#include <future>

#include "ingest/pipeline.h"

// The group thread: what the group assigns and takes away, and the commits that keep this instance a member in its
// eyes.

namespace runledger::ingest {
namespace {

constexpr int kPollMs = 10;
// Where nothing was asked of the group for a while, an idle instance should not wake up a hundred times a second; the
// next request waits for so long at most.
constexpr int kIdlePollMs = 50;
constexpr int kIdleAfter = 100;    // polls
constexpr int kAnswerMs = 10'000;  // of the group coordinator, at assignment
constexpr auto kAskAgain = std::chrono::milliseconds(500);
constexpr auto kAssignPatience = std::chrono::seconds(120);
constexpr auto kStopPatience = std::chrono::seconds(1);

Moment Deadline(const Clock& clock, int64_t in_us) {
  Moment moment = clock.Now();
  moment.mono_us += in_us;
  return moment;
}

// Lets Worker's bounded questions reach one shard.
class WorkerMailbox : public ShardMailbox {
 public:
  WorkerMailbox(Worker* worker, TopicPartition partition, Tenure tenure)
      : worker_(worker), partition_(std::move(partition)), tenure_(tenure) {}
  bool Ask(std::function<void(const aggregators::Shard&)> question) override {
    return worker_->Ask([worker = worker_, partition = partition_, tenure = tenure_, question = std::move(question)] {
      if (const Delivery* delivery = worker->Find(partition, tenure)) question(delivery->shard());
    });
  }

 private:
  Worker* worker_;
  TopicPartition partition_;
  Tenure tenure_;
};

}  // namespace

void Pipeline::PostToGroup(std::function<void()> task) {
  {
    const std::lock_guard lock(group_mutex_);
    group_tasks_.push_back(std::move(task));
  }
  group_wake_.notify_one();
}

bool Pipeline::RunGroupTasks(int timeout_ms) {
  std::vector<std::function<void()>> tasks;
  {
    std::unique_lock lock(group_mutex_);
    if (timeout_ms > 0)
      group_wake_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return !group_tasks_.empty(); });
    tasks.swap(group_tasks_);
  }
  for (auto& task : tasks) task();
  return !tasks.empty();
}

void Pipeline::RunGroup() {
  int idle = 0;
  while (!stop_group_.load(std::memory_order_relaxed)) {
    consumer_->Poll(idle < kIdleAfter ? kPollMs : kIdlePollMs);
    idle = RunGroupTasks(0) ? 0 : std::min(idle + 1, kIdleAfter);
    KeepContact();
    if (rows_reader_ != nullptr) rows_reader_->Poll();
  }
  consumer_->Close();  // OnRevoked from within
}

// An accepted commit proves that this instance is a member of the group's present generation, and begins its session
// anew there: the group does not give it up before the session timeout has passed since it was sent. Answers to other
// requests prove less (anybody may read offsets), and librdkafka does not tell of its heartbeats. So a commit is made
// again where none was due for a third of that time.
void Pipeline::KeepContact() {
  const int64_t now_us = parts_.clock->Now().mono_us;
  if (keeping_contact_ || now_us < keep_contact_at_us_ || stop_group_.load(std::memory_order_relaxed)) return;
  keep_contact_at_us_ = now_us + session_timeout_us_ / 10;  // unless it is answered
  std::optional<std::pair<TopicPartition, Owned>> chosen;
  bool any_accepted = false;
  {
    const std::lock_guard lock(owned_mutex_);
    if (owned_.empty()) return;
    for (const auto& [partition, owned] : owned_) {
      if (!owned.accepted) continue;
      any_accepted = true;
      if (owned.commits_in_flight == 0 && !owned.released) {
        chosen = {partition, owned};
        break;
      }
    }
  }
  if (!any_accepted) ask_for_contact_.store(true, std::memory_order_relaxed);
  if (!chosen) return;
  const auto& [partition, owned] = *chosen;
  const uint64_t tag = next_tag_++;
  commits_[tag] = {partition, owned.tenure, 0, now_us, *owned.accepted};
  if (consumer_->Commit({*owned.accepted}, tag).ok()) {
    keeping_contact_ = true;
    const std::lock_guard lock(owned_mutex_);
    ++owned_[partition].commits_in_flight;
  } else {
    commits_.erase(tag);
  }
}

void Pipeline::NoteContact(int64_t asked_us) { parts_.directory->ExtendContact(asked_us + session_timeout_us_); }

// librdkafka 2.0.2 can assign partitions anew without a word that the assignment before it is over: so it does where
// the coordinator died while a member was being assigned. What is still here of that one must go first: two deliveries
// of a partition would read from one queue, and each would miss what the other one got.
void Pipeline::GiveUpStale(const std::vector<TopicPartition>& assigned) {
  std::vector<TopicPartition> stale;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const auto& [partition, owned] : owned_) {
      // An eager assignment is all that the member has, a cooperative one what it gets in addition.
      if (consumer_->eager() || std::find(assigned.begin(), assigned.end(), partition) != assigned.end())
        stale.push_back(partition);
    }
  }
  if (stale.empty()) return;
  parts_.logger->warn(
      "group: a new assignment, and the one before it was never revoked: its {} partitions are given up", stale.size());
  GiveUp(stale, /*lost=*/true);
}

void Pipeline::OnAssigned(const std::vector<TopicPartition>& partitions) {
  const int64_t told_us = parts_.clock->Now().mono_us;
  GiveUpStale(partitions);
  if (partitions.empty()) {
    parts_.directory->SetAssigned(true);
    NoteContact(told_us);
    SetLogProblem("");
    if (absl::Status status = consumer_->Assign({}); !status.ok())
      parts_.logger->error("group: {}", std::string(status.message()));
    return;
  }
  // The coordinator has just answered, so it is there; patience is for the moment between two of its lives. Without an
  // answer nothing may begin: an offset that is not known is not one that was never committed.
  auto committed = consumer_->Committed(partitions, kAnswerMs);
  while (!committed.ok() && !stop_group_.load(std::memory_order_relaxed)) {
    SetLogProblem("the group's committed offsets cannot be read: " + std::string(committed.status().message()));
    std::this_thread::sleep_for(kAskAgain);
    committed = consumer_->Committed(partitions, kAnswerMs);
  }
  if (!committed.ok()) {  // asked to stop meanwhile: the group gets its answer, and nothing is read
    if (absl::Status status = consumer_->Assign({}); !status.ok())
      parts_.logger->error("group: {}", std::string(status.message()));
    return;
  }
  if (cluster_id_.empty()) cluster_id_ = consumer_->ClusterId(kLeaderTimeoutMs);
  std::map<TopicPartition, Assignment> assignments;
  std::map<std::string, int32_t> counts;
  for (const TopicPartition& partition : partitions) {
    Assignment& assignment = assignments[partition];
    assignment.partition = partition;
    assignment.tenure = next_tenure_++;
    assignment.cluster_id = cluster_id_;
    if (!counts.contains(partition.topic)) {
      int32_t& last = partition_counts_[partition.topic];
      last = consumer_->PartitionCount(partition.topic, kLeaderTimeoutMs).value_or(last);
      counts[partition.topic] = last;
    }
    assignment.partition_count = counts[partition.topic];
    assignment.group_is_new = GroupIsNew(partition.topic, counts[partition.topic], *committed);
  }
  for (const kafka::PartitionOffset& start : consumer_->StartOffsets(partitions, kLeaderTimeoutMs))
    assignments[start.partition].log_start = start.offset;
  for (const kafka::PartitionOffset& end : consumer_->EndOffsets(partitions, kLeaderTimeoutMs))
    assignments[end.partition].log_end = end.offset;
  for (const kafka::CommittedOffset& offset : *committed) {
    if (offset.offset < 0) continue;
    Assignment& assignment = assignments[offset.partition];
    auto metadata = CommitMetadata::Decode(offset.metadata);
    if (metadata.ok()) {
      assignment.metadata = *metadata;
    } else {
      parts_.logger->error("{}: {}", ToString(offset.partition), std::string(metadata.status().message()));
    }
    assignment.committed = Position{offset.offset, assignment.metadata.index};
  }
  for (const auto& [partition, assignment] : assignments) Take(partition, assignment);
  {
    const std::lock_guard lock(owned_mutex_);
    for (const kafka::CommittedOffset& offset : *committed) {
      if (offset.offset >= 0) owned_[offset.partition].accepted = offset;
    }
  }
  NoteContact(told_us);
  parts_.directory->SetAssigned(true);  // only now: it is ready once all that was taken is restored
  SetLogProblem("");

  // Each delivery says where it wants to read from; then all of them start.
  const auto give_up = std::chrono::steady_clock::now() + kAssignPatience;
  const auto all_know = [&] {
    const std::lock_guard lock(owned_mutex_);
    return std::all_of(partitions.begin(), partitions.end(),
                       [&](const TopicPartition& p) { return owned_[p].start_offset != kafka::kOffsetUnknown; });
  };
  // Who is asked to stop meanwhile does not wait for long.
  std::optional<std::chrono::steady_clock::time_point> stop_by;
  while (!all_know() && std::chrono::steady_clock::now() < stop_by.value_or(give_up)) {
    if (!stop_by && stop_group_.load(std::memory_order_relaxed))
      stop_by = std::chrono::steady_clock::now() + kStopPatience;
    RunGroupTasks(kPollMs);
    consumer_->ServeCommits(0);
    KeepContact();
  }
  std::vector<kafka::PartitionOffset> starts;
  std::map<TopicPartition, int64_t> commits;  // where rows begin; of what has none they begin with the state
  {
    const std::lock_guard lock(owned_mutex_);
    for (const TopicPartition& partition : partitions) {
      Owned& owned = owned_[partition];
      if (owned.accepted) commits[partition] = owned.accepted->offset;
      owned.started = true;
      starts.push_back(
          {partition, owned.start_offset != kafka::kOffsetUnknown ? owned.start_offset : kafka::kOffsetBeginning});
    }
  }
  for (const TopicPartition& partition : partitions) {
    const std::lock_guard lock(owned_mutex_);
    GiveQueue(owned_[partition], partition, Reader::kFold, consumer_->OpenQueue(partition));
  }
  if (absl::Status status = consumer_->Assign(starts); !status.ok())
    parts_.logger->error("group: {}", std::string(status.message()));
  for (const kafka::PartitionOffset& start : starts) {
    const auto commit = commits.find(start.partition);
    parts_.logger->info("{}: taken, reading from offset {} for the state, and for rows from offset {}",
                        ToString(start.partition), start.offset,
                        commit == commits.end() ? start.offset : commit->second);
  }
  {
    const std::lock_guard lock(contact_mutex_);
    contact_now_ = true;
  }
  contact_wake_.notify_all();
}

// Where a topic gets more partitions, these have no commit, but the group is not one without: log.start: latest would
// skip what was written to them before they were assigned.
bool Pipeline::GroupIsNew(const std::string& topic, int32_t partitions,
                          const std::vector<kafka::CommittedOffset>& committed) {
  if (!options_.delivery.start_at_end) return true;  // it makes no difference
  const auto has_commit = [&](const kafka::CommittedOffset& offset) {
    return offset.partition.topic == topic && offset.offset >= 0;
  };
  if (std::any_of(committed.begin(), committed.end(), has_commit)) return false;
  std::vector<TopicPartition> all;
  for (int32_t partition = 0; partition < partitions; ++partition) all.push_back({topic, partition});
  const auto others = consumer_->Committed(all, kAnswerMs);
  return others.ok() && std::none_of(others->begin(), others->end(), has_commit);
}

// Makes the shard and the delivery of a partition and gives them to a worker.
void Pipeline::Take(const TopicPartition& partition, Assignment assignment) {
  const TopicOptions& topic = TopicOf(partition.topic);
  const Tenure tenure = assignment.tenure;
  Worker* worker = LeastLoaded();
  {
    const std::lock_guard lock(owned_mutex_);
    owned_[partition] = Owned{tenure, worker};
  }
  DeliveryOptions options = options_.delivery;
  options.framing = topic.framing;
  options.keyed_by_job = topic.keyed_by_job;
  options.partitioner = topic.partitioner;
  options.own = topic.own;
  options.configured_workflows = &topic == &options_.topics.front();
  const auto make_shard = [this] {
    const Policies policies = PoliciesNow();
    return std::make_shared<aggregators::Shard>(options_.shard, policies.jobs, policies.workflows);
  };
  auto delivery = std::make_unique<Delivery>(
      options, Delivery::Parts{this, sink_, snapshots_, parts_.encoder.get(), this, make_shard}, std::move(assignment));
  parts_.directory->Add(
      {partition, delivery->shared_shard(), std::make_shared<WorkerMailbox>(worker, partition, tenure)});
  auto box = std::make_shared<std::unique_ptr<Delivery>>(std::move(delivery));
  worker->Post([this, worker, box, topic = partition.topic] {
    Delivery* made = box->get();
    worker->Add(std::move(*box), topic);
    const Policies policies = PoliciesNow();  // they may have changed since it was made
    made->OnPolicies(policies.jobs, policies.workflows);
    made->OnAssigned(worker->Now());
  });
}

void Pipeline::OnRevoked(const std::vector<TopicPartition>& partitions, bool lost) {
  if (lost && !fatal_) {
    std::string why;
    {
      const std::lock_guard lock(log_problem_mutex_);
      if (!last_error_.empty()) why = " (" + last_error_ + ")";
    }
    parts_.directory->SetAssigned(false);  // what this process owns, it learns when the group answers again
    keeping_contact_ = false;              // whatever becomes of it
    SetLogProblem("the consumer group has heard nothing of this instance for session.timeout.ms" + why +
                  ": its partitions are given up, it joins again as soon as it can");
  }
  GiveUp(partitions, lost);
}

void Pipeline::GiveUp(const std::vector<TopicPartition>& partitions, bool lost) {
  const Moment deadline = Deadline(*parts_.clock, options_.revoke_timeout_us);
  std::map<TopicPartition, Owned> going;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const TopicPartition& partition : partitions) {
      if (const auto at = owned_.find(partition); at != owned_.end()) going.insert(*at);
    }
  }
  for (const auto& [partition, owned] : going) {
    ToDelivery(partition, owned.tenure, [lost, deadline](Delivery& d, const Moment& now) {
      if (lost) {
        d.OnLost();
      } else {
        d.OnRevoke(now, deadline.mono_us);
      }
    });
  }
  // Stop, drain within the bound, commit: the deliveries do it, this thread carries their commits.
  const auto all_released = [&] {
    const std::lock_guard lock(owned_mutex_);
    return std::all_of(going.begin(), going.end(), [&](const auto& entry) { return owned_[entry.first].released; });
  };
  while (!all_released() && parts_.clock->Now().mono_us < deadline.mono_us + 1'000'000) {
    consumer_->ServeCommits(kPollMs);
    RunGroupTasks(kPollMs);
    if (!lost) KeepContact();
  }
  for (const auto& [partition, owned] : going) {
    parts_.directory->Remove(partition);  // its series go before anybody else can show them
    StopRowsReader(partition, owned.tenure);
    DropFromWorker(partition, owned);
    OnCircuit(partition, false);
    {
      const std::lock_guard lock(clock_mutex_);
      anchored_.Forget(partition);
    }
    const std::lock_guard lock(owned_mutex_);
    owned_.erase(partition);
  }
  if (absl::Status status = consumer_->Unassign(partitions); !status.ok())
    parts_.logger->error("group: {}", std::string(status.message()));
  for (const auto& [partition, owned] : going) {
    parts_.logger->info("{}: {}", ToString(partition), lost ? "lost to another member" : "given back");
  }
}

void Pipeline::DropFromWorker(const TopicPartition& partition, const Owned& owned) {
  std::promise<void> gone;
  owned.worker->Post([&] {
    owned.worker->Remove(partition, owned.tenure);
    gone.set_value();
  });
  gone.get_future().wait();
}

}  // namespace runledger::ingest
