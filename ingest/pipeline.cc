#include "ingest/pipeline.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

// What a reader fetches ahead of one partition; librdkafka's own 64 MiB, for each partition and each of two readers,
// would be more than all else that a partition takes. While all queues are full its thread sleeps for up to a second:
// with 4 MiB a backlog is read a fifth slower, with 16 MiB hardly faster.
constexpr const char* kFetchAheadKb = "8192";

}  // namespace

Pipeline::Pipeline(PipelineOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      policies_{parts_.policies, parts_.workflows},
      anchored_(options_.delivery.clock_step_us) {}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::Create(PipelineOptions options, Parts parts) {
  auto pipeline = std::unique_ptr<Pipeline>(new Pipeline(std::move(options), std::move(parts)));
  const PipelineOptions& o = pipeline->options_;
  auto created = kafka::Consumer::Create(pipeline->ConsumerSettings(), pipeline.get(), pipeline->LogTo("consumer"));
  if (!created.ok()) return created.status();
  pipeline->consumer_ = std::move(*created);
  pipeline->session_timeout_us_ = pipeline->consumer_->session_timeout_ms() * int64_t{1'000};

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

kafka::LogCallback LogCallbackTo(std::shared_ptr<spdlog::logger> logger, const char* client) {
  return [logger = std::move(logger), client](int level, std::string_view facility, std::string_view text) {
    const auto severity = level <= 3   ? spdlog::level::err
                          : level == 4 ? spdlog::level::warn
                          : level <= 6 ? spdlog::level::info
                                       : spdlog::level::debug;
    logger->log(severity, "librdkafka {} {}: {}", client, facility, text);
  };
}

kafka::Settings Pipeline::ConsumerSettings() const {
  kafka::Settings settings = options_.librdkafka;
  settings.emplace("queued.max.messages.kbytes", kFetchAheadKb);
  settings["bootstrap.servers"] = options_.brokers;
  settings["group.id"] = options_.group;
  if (!options_.instance_id.empty()) settings["group.instance.id"] = options_.instance_id;
  return settings;
}

absl::Status Pipeline::Start(RowSink* sink, SnapshotStore* snapshots) {
  parts_.directory->SetFleet(this);
  parts_.directory->SetContact([clock = parts_.clock] { return clock->Now().mono_us; }, 0);
  sink_ = sink;
  snapshots_ = snapshots;
  const size_t workers = static_cast<size_t>(std::max(options_.workers, 1));
  try {
    while (workers_.size() < workers) {
      const std::string name = "worker-" + std::to_string(workers_.size());
      workers_.push_back(std::make_unique<Worker>(name, parts_.clock, parts_.metrics));
    }
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("workers: ", workers_.size(), " of ", workers,
                                                     " could be started: ", error.what(),
                                                     ". Set fewer, or raise the limit of descriptors or threads"));
  }
  std::vector<std::string> topics;
  for (const TopicOptions& topic : options_.topics) topics.push_back(topic.name);
  if (absl::Status status = consumer_->Subscribe(topics); !status.ok()) return status;
  producer_thread_ = std::thread([this] { RunProducer(); });
  contact_thread_ = std::thread([this] { RunContact(); });
  group_thread_ = std::thread([this] { RunGroup(); });
  pthread_setname_np(producer_thread_.native_handle(), "producer");
  pthread_setname_np(contact_thread_.native_handle(), "contact");
  pthread_setname_np(group_thread_.native_handle(), "group");
  return absl::OkStatus();
}

void Pipeline::Stop() {
  parts_.directory->SetFleet(nullptr);
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

Pipeline::Policies Pipeline::PoliciesNow() const {
  const std::lock_guard lock(policies_mutex_);
  return policies_;
}

// Shards that are made from here on have them; those that are there are told.
void Pipeline::SetPolicies(std::shared_ptr<const aggregators::JobPolicies> policies,
                           std::shared_ptr<const aggregators::WorkflowPolicies> workflows) {
  {
    const std::lock_guard lock(policies_mutex_);
    policies_ = {policies, workflows};
  }
  std::map<TopicPartition, Tenure> owned;
  {
    const std::lock_guard lock(owned_mutex_);
    for (const auto& [partition, one] : owned_) owned.emplace(partition, one.tenure);
  }
  for (const auto& [partition, tenure] : owned)
    ToDelivery(partition, tenure, [=](Delivery& d, const Moment&) { d.OnPolicies(policies, workflows); });
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
    if (!FindOwned(partition, tenure)) return;  // given up since: its next owner's word counts now
    absl::Status status = text.status();
    const uint64_t tag = next_tag_++;
    if (status.ok()) {
      const kafka::CommittedOffset what{partition, offset, *text};
      commits_[tag] = {partition, tenure, commit, parts_.clock->Now().mono_us, what};
      status = consumer_->Commit({what}, tag);
      if (status.ok()) {  // answered by OnCommitted
        const std::lock_guard lock(owned_mutex_);
        if (const auto at = owned_.find(partition); at != owned_.end() && at->second.tenure == tenure)
          ++at->second.commits_in_flight;
        return;
      }
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
  {
    const std::lock_guard lock(owned_mutex_);
    if (const auto at = owned_.find(commit.partition); at != owned_.end() && at->second.tenure == commit.tenure) {
      --at->second.commits_in_flight;
      if (status.ok()) at->second.accepted = commit.what;
    }
  }
  if (status.ok()) {
    NoteContact(commit.sent_us);
    keep_contact_at_us_ = std::max(keep_contact_at_us_, commit.sent_us + session_timeout_us_ / 3);
  }
  if (commit.commit == 0) {
    keeping_contact_ = false;
    return;
  }
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

void Pipeline::OnCircuit(const TopicPartition& partition, bool open) {
  const std::lock_guard lock(circuits_mutex_);
  if (open) {
    open_circuits_.insert(partition);
  } else {
    open_circuits_.erase(partition);
  }
}

void Pipeline::OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard> shard) {
  parts_.directory->Replace(partition, std::move(shard));
}

void Pipeline::OnWarehouseBegunAnew(const TopicPartition& partition, const Position& committed) {
  parts_.logger->warn(
      "{}: the warehouse has never had rows of this partition, and the group has committed them up to offset {}: "
      "those before it are in another warehouse, or its file was deleted. Rows go on from there",
      ToString(partition), ToString(committed));
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
  out.timestamp_ms = record.timestamp_ms;
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
