#include "ingest/pipeline.h"

#include <algorithm>
#include <chrono>
#include <future>

namespace runledger::ingest {
namespace {

constexpr int kPollMs = 10;
constexpr int kAnswerMs = 10'000;  // of the group coordinator, at assignment
constexpr auto kAskAgain = std::chrono::milliseconds(500);
constexpr auto kAssignPatience = std::chrono::seconds(120);

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

Pipeline::Pipeline(PipelineOptions options, Parts parts) : options_(std::move(options)), parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::Create(PipelineOptions options, Parts parts) {
  auto pipeline = std::unique_ptr<Pipeline>(new Pipeline(std::move(options), std::move(parts)));
  const PipelineOptions& o = pipeline->options_;
  auto created = kafka::Consumer::Create(pipeline->ConsumerSettings(), pipeline.get(), pipeline->LogTo("consumer"));
  if (!created.ok()) return created.status();
  pipeline->consumer_ = std::move(*created);

  // Settings that only a consumer knows would be refused here.
  kafka::Settings producer = kafka::ConnectionSettings(o.brokers, o.librdkafka);
  producer["message.timeout.ms"] = "0";  // a dead letter is tried until it is written
  producer["message.max.bytes"] =
      std::to_string(std::min<size_t>(o.delivery.limits.message_bytes + (1 << 20), 1'000'000'000));
  auto made = kafka::Producer::Create(
      producer,
      [p = pipeline.get()](const kafka::DeliveryReport& report) {
        LetterTag tag;
        {
          const std::lock_guard lock(p->letters_mutex_);
          const auto found = p->letters_.find(report.tag);
          if (found == p->letters_.end()) return;
          tag = found->second;
          p->letters_.erase(found);
        }
        p->ToDelivery(tag.partition, tag.tenure,
                      [message = tag.message, status = report.status](Delivery& d, const Moment& now) {
                        d.OnProduced(message, status, now);
                      });
      },
      pipeline->LogTo("producer"));
  if (!made.ok()) return made.status();
  pipeline->producer_ = std::move(*made);
  return pipeline;
}

Pipeline::~Pipeline() { Stop(); }

kafka::LogCallback Pipeline::LogTo(const char* client) const {
  return [logger = parts_.logger, client](int level, std::string_view facility, std::string_view text) {
    const auto severity = level <= 3   ? spdlog::level::err
                          : level == 4 ? spdlog::level::warn
                          : level <= 6 ? spdlog::level::info
                                       : spdlog::level::debug;
    logger->log(severity, "librdkafka {} {}: {}", client, facility, text);
  };
}

kafka::Settings Pipeline::ConsumerSettings() const {
  kafka::Settings settings = options_.librdkafka;
  settings["bootstrap.servers"] = options_.brokers;
  settings["group.id"] = options_.group;
  if (!options_.instance_id.empty()) settings["group.instance.id"] = options_.instance_id;
  return settings;
}

absl::Status Pipeline::Start(RowSink* sink, SnapshotStore* snapshots) {
  sink_ = sink;
  snapshots_ = snapshots;
  for (int i = 0; i < std::max(options_.workers, 1); ++i) {
    workers_.push_back(std::make_unique<Worker>("worker-" + std::to_string(i), parts_.clock, parts_.metrics));
  }
  std::vector<std::string> topics;
  for (const TopicOptions& topic : options_.topics) topics.push_back(topic.name);
  if (absl::Status status = consumer_->Subscribe(topics); !status.ok()) return status;
  producer_thread_ = std::thread([this] { RunProducer(); });
  contact_thread_ = std::thread([this] { RunContact(); });
  group_thread_ = std::thread([this] { RunGroup(); });
  return absl::OkStatus();
}

void Pipeline::Stop() {
  stop_group_.store(true, std::memory_order_relaxed);
  group_wake_.notify_all();
  if (group_thread_.joinable()) group_thread_.join();
  {
    const std::lock_guard lock(contact_mutex_);
    stopping_ = true;
  }
  contact_wake_.notify_all();
  if (contact_thread_.joinable()) contact_thread_.join();
  {
    const std::lock_guard lock(owned_mutex_);
    owned_.clear();
  }
  workers_.clear();
  stop_producer_.store(true, std::memory_order_relaxed);
  if (producer_thread_.joinable()) producer_thread_.join();
  rows_reader_.reset();
  consumer_.reset();
  producer_.reset();
}

const TopicOptions& Pipeline::TopicOf(const std::string& name) const {
  const auto at = std::find_if(options_.topics.begin(), options_.topics.end(),
                               [&](const TopicOptions& t) { return t.name == name; });
  return at != options_.topics.end() ? *at : options_.topics.front();
}

Worker* Pipeline::LeastLoaded() {
  std::map<const Worker*, int> load;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const auto& [partition, owned] : owned_) ++load[owned.worker];
  }
  return std::min_element(workers_.begin(), workers_.end(),
                          [&](const auto& a, const auto& b) { return load[a.get()] < load[b.get()]; })
      ->get();
}

void Pipeline::ToDelivery(const TopicPartition& partition, Tenure tenure,
                          std::function<void(Delivery&, const Moment&)> use) {
  const std::lock_guard lock(owned_mutex_);  // also while posting: a worker is gone once nobody owns through it
  const auto at = owned_.find(partition);
  if (at == owned_.end() || at->second.tenure != tenure) return;
  Worker* worker = at->second.worker;
  worker->Post([worker, partition, tenure, use = std::move(use)] {
    if (Delivery* delivery = worker->Find(partition, tenure)) use(*delivery, worker->Now());
  });
}

// ---- The group thread.

void Pipeline::PostToGroup(std::function<void()> task) {
  {
    const std::lock_guard lock(group_mutex_);
    group_tasks_.push_back(std::move(task));
  }
  group_wake_.notify_one();
}

void Pipeline::RunGroupTasks(int timeout_ms) {
  std::vector<std::function<void()>> tasks;
  {
    std::unique_lock lock(group_mutex_);
    if (timeout_ms > 0)
      group_wake_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return !group_tasks_.empty(); });
    tasks.swap(group_tasks_);
  }
  for (auto& task : tasks) task();
}

void Pipeline::RunGroup() {
  while (!stop_group_.load(std::memory_order_relaxed)) {
    consumer_->Poll(kPollMs);
    RunGroupTasks(0);
    if (rows_reader_ != nullptr) rows_reader_->Poll();
  }
  consumer_->Close();  // OnRevoked from within
}

void Pipeline::OnAssigned(const std::vector<TopicPartition>& partitions) {
  if (partitions.empty()) {
    parts_.directory->SetAssigned(true);
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
  for (const TopicPartition& partition : partitions) {
    Assignment& assignment = assignments[partition];
    assignment.partition = partition;
    assignment.tenure = next_tenure_++;
    assignment.cluster_id = cluster_id_;
    int32_t& count = partition_counts_[partition.topic];
    if (count == 0) count = consumer_->PartitionCount(partition.topic, kLeaderTimeoutMs).value_or(0);
    assignment.partition_count = count;
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
  parts_.directory->SetAssigned(true);  // only now: it is ready once all that was taken is restored
  SetLogProblem("");

  // Each delivery says where it wants to read from; then all of them start.
  const auto give_up = std::chrono::steady_clock::now() + kAssignPatience;
  const auto all_know = [&] {
    const std::lock_guard lock(owned_mutex_);
    return std::all_of(partitions.begin(), partitions.end(),
                       [&](const TopicPartition& p) { return owned_[p].start_offset != kafka::kOffsetUnknown; });
  };
  while (!all_know() && std::chrono::steady_clock::now() < give_up) RunGroupTasks(kPollMs);
  std::vector<kafka::PartitionOffset> starts;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const TopicPartition& partition : partitions) {
      Owned& owned = owned_[partition];
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
    parts_.logger->info("{}: taken, reading from offset {}", ToString(start.partition), start.offset);
  }
  {
    const std::lock_guard lock(contact_mutex_);
    contact_now_ = true;
  }
  contact_wake_.notify_all();
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
  const auto make_shard = [this] { return std::make_shared<aggregators::Shard>(options_.shard, parts_.policies); };
  auto delivery = std::make_unique<Delivery>(
      options, Delivery::Parts{this, sink_, snapshots_, parts_.encoder.get(), this, make_shard}, std::move(assignment));
  parts_.directory->Add(
      {partition, delivery->shared_shard(), std::make_shared<WorkerMailbox>(worker, partition, tenure)});
  auto box = std::make_shared<std::unique_ptr<Delivery>>(std::move(delivery));
  worker->Post([worker, box, topic = partition.topic] {
    Delivery* made = box->get();
    worker->Add(std::move(*box), topic);
    made->OnAssigned(worker->Now());
  });
}

void Pipeline::StartReading(const TopicPartition& partition, Tenure tenure, Reader reader, int64_t offset) {
  PostToGroup([this, partition, tenure, reader, offset] {
    if (reader == Reader::kFold) {
      StartFoldReader(partition, tenure, offset);
    } else {
      StartRowsReader(partition, tenure, offset);
    }
  });
}

void Pipeline::StopReading(const TopicPartition& partition, Tenure tenure, Reader reader) {
  if (reader == Reader::kRows) PostToGroup([this, partition, tenure] { StopRowsReader(partition, tenure); });
}

void Pipeline::GiveQueue(const Owned& owned, const TopicPartition& partition, Reader reader,
                         std::unique_ptr<kafka::PartitionQueue> queue) {
  auto box = std::make_shared<std::unique_ptr<kafka::PartitionQueue>>(std::move(queue));
  owned.worker->Post([worker = owned.worker, tenure = owned.tenure, partition, reader, box] {
    worker->SetQueue(partition, tenure, reader, std::move(*box));
  });
}

void Pipeline::TakeQueue(const Owned& owned, const TopicPartition& partition, Reader reader) {
  std::promise<void> taken;
  owned.worker->Post([&] {
    owned.worker->SetQueue(partition, owned.tenure, reader, nullptr);
    taken.set_value();
  });
  taken.get_future().wait();
}

std::optional<Pipeline::Owned> Pipeline::FindOwned(const TopicPartition& partition, Tenure tenure) const {
  const std::lock_guard lock(owned_mutex_);
  const auto at = owned_.find(partition);
  return at == owned_.end() || at->second.tenure != tenure ? std::nullopt : std::optional(at->second);
}

void Pipeline::StartFoldReader(const TopicPartition& partition, Tenure tenure, int64_t offset) {
  const std::optional<Owned> owned = FindOwned(partition, tenure);
  if (!owned) return;
  if (!owned->started) {  // OnAssigned waits for it
    const std::lock_guard lock(owned_mutex_);
    owned_[partition].start_offset = offset;
    return;
  }
  TakeQueue(*owned, partition, Reader::kFold);
  if (absl::Status status = consumer_->Restart({partition, offset}); !status.ok()) {
    ToDelivery(partition, tenure,
               [status](Delivery& d, const Moment& now) { d.OnReadError(Reader::kFold, status, now); });
    return;
  }
  GiveQueue(*owned, partition, Reader::kFold, consumer_->OpenQueue(partition));
}

void Pipeline::StartRowsReader(const TopicPartition& partition, Tenure tenure, int64_t offset) {
  const std::optional<Owned> owned = FindOwned(partition, tenure);
  if (!owned || owned->rows_reading) return;
  absl::Status status;
  if (rows_reader_ == nullptr) {
    auto created = kafka::PartitionReader::Create(ConsumerSettings(), LogTo("rows"));
    status = created.status();
    if (created.ok()) rows_reader_ = std::move(*created);
  }
  if (status.ok()) {
    auto queue = rows_reader_->Start(partition, offset);
    status = queue.status();
    if (queue.ok()) {
      GiveQueue(*owned, partition, Reader::kRows, std::move(*queue));
      const std::lock_guard lock(owned_mutex_);
      owned_[partition].rows_reading = true;
      return;
    }
  }
  ToDelivery(partition, tenure,
             [status](Delivery& d, const Moment& now) { d.OnReadError(Reader::kRows, status, now); });
}

void Pipeline::StopRowsReader(const TopicPartition& partition, Tenure tenure) {
  const std::optional<Owned> owned = FindOwned(partition, tenure);
  if (!owned || !owned->rows_reading) return;
  TakeQueue(*owned, partition, Reader::kRows);
  if (absl::Status status = rows_reader_->Stop(partition); !status.ok())
    parts_.logger->error("{}", std::string(status.message()));
  const std::lock_guard lock(owned_mutex_);
  owned_[partition].rows_reading = false;
}

void Pipeline::Commit(const TopicPartition& partition, Tenure tenure, uint64_t commit, const Position& position,
                      const CommitMetadata& metadata) {
  auto text = metadata.Encode();
  PostToGroup([this, partition, tenure, commit, offset = position.offset, text = std::move(text)] {
    absl::Status status = text.status();
    const uint64_t tag = next_tag_++;
    if (status.ok()) {
      commits_[tag] = {partition, tenure, commit};
      status = consumer_->Commit({{partition, offset, *text}}, tag);
      if (status.ok()) return;  // answered by OnCommitted
      commits_.erase(tag);
    }
    ToDelivery(partition, tenure,
               [commit, status](Delivery& d, const Moment& now) { d.OnCommitted(commit, status, now); });
  });
}

void Pipeline::OnCommitted(uint64_t tag, const absl::Status& status) {
  const auto found = commits_.find(tag);
  if (found == commits_.end()) return;
  const CommitTag commit = found->second;
  commits_.erase(found);
  if (!status.ok()) parts_.logger->warn("{}: {}", ToString(commit.partition), std::string(status.message()));
  ToDelivery(commit.partition, commit.tenure,
             [id = commit.commit, status](Delivery& d, const Moment& now) { d.OnCommitted(id, status, now); });
}

void Pipeline::Release(const TopicPartition& partition, Tenure tenure) {
  PostToGroup([this, partition, tenure] {
    const std::lock_guard lock(owned_mutex_);
    const auto at = owned_.find(partition);
    if (at != owned_.end() && at->second.tenure == tenure) at->second.released = true;
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
  }
  for (const auto& [partition, owned] : going) {
    parts_.directory->Remove(partition);  // its series go before anybody else can show them
    StopRowsReader(partition, owned.tenure);
    DropFromWorker(partition, owned);
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

void Pipeline::OnProblem(const TopicPartition& partition, const std::string& text) {
  parts_.directory->SetProblem(ToString(partition), text);
  if (text.empty()) {
    parts_.logger->info("{}: well again", ToString(partition));
  } else {
    parts_.logger->error("{}: {}", ToString(partition), text);
  }
}

// ---- Answers of the warehouse and of the snapshots.

void Pipeline::OnSinkOpened(const TopicPartition& partition, Tenure tenure, SinkOpened opened) {
  ToDelivery(partition, tenure,
             [opened = std::move(opened)](Delivery& d, const Moment& now) { d.OnSinkOpened(opened, now); });
}

void Pipeline::OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission, SubmitResult result) {
  ToDelivery(partition, tenure, [submission, result = std::move(result)](Delivery& d, const Moment& now) {
    d.OnSubmitted(submission, result, now);
  });
}

void Pipeline::OnSnapshotLoaded(const TopicPartition& partition, Tenure tenure, absl::StatusOr<Snapshot> snapshot) {
  ToDelivery(partition, tenure,
             [snapshot = std::move(snapshot)](Delivery& d, const Moment& now) { d.OnSnapshotLoaded(snapshot, now); });
}

void Pipeline::OnSnapshotSaved(const TopicPartition& partition, Tenure tenure, uint64_t save,
                               absl::StatusOr<SavedSnapshot> saved) {
  ToDelivery(partition, tenure,
             [save, saved = std::move(saved)](Delivery& d, const Moment& now) { d.OnSnapshotSaved(save, saved, now); });
}

void Pipeline::OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard> shard) {
  parts_.directory->Replace(partition, std::move(shard));
}

void Pipeline::OnStateLost(const TopicPartition& partition) {
  parts_.metrics->state_lost.Add({{"topic", partition.topic}, {"partition", std::to_string(partition.partition)}})
      .Increment();
  parts_.logger->error(
      "{}: the state was built anew from a part of the log, for want of a snapshot: its counters begin again",
      ToString(partition));
}

// ---- The producer.

void Pipeline::Produce(const TopicPartition& on_behalf_of, Tenure tenure, uint64_t message, OutgoingRecord record) {
  uint64_t tag;
  {
    const std::lock_guard lock(letters_mutex_);
    tag = next_letter_++;
    letters_[tag] = {on_behalf_of, tenure, message};
  }
  kafka::OutgoingMessage out;
  out.topic = record.topic;
  out.partition = record.partition;
  if (record.key) out.key = *record.key;
  if (record.value) out.value = *record.value;
  for (const auto& [name, value] : record.headers) out.headers.push_back({name, value});
  const absl::Status status = producer_->Produce(out, tag);
  if (status.ok()) return;
  {
    const std::lock_guard lock(letters_mutex_);
    letters_.erase(tag);
  }
  ToDelivery(on_behalf_of, tenure,
             [message, status](Delivery& d, const Moment& now) { d.OnProduced(message, status, now); });
}

void Pipeline::RunProducer() {
  while (!stop_producer_.load(std::memory_order_relaxed)) producer_->Poll(100);
}

}  // namespace runledger::ingest
