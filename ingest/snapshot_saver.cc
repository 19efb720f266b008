#include "ingest/snapshot_saver.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

using std::chrono::steady_clock;

constexpr int kPollMs = 5;
constexpr auto kIdle = std::chrono::milliseconds(500);
constexpr auto kStopPatience = std::chrono::seconds(5);
constexpr size_t kDeletionsAtOnce = 1'000;

}  // namespace

// A snapshot on its way into the topic.
struct SnapshotSaver::Writing {
  Tenure tenure = 0;
  uint64_t save = 0;
  SnapshotIdentity identity;
  SnapshotEncoder encoder;
  SnapshotPointer pointer;  // chunks: produced so far; offsets: of those that are acknowledged
  std::string buffer;       // packed, less than a chunk
  int32_t acked = 0;
  int64_t bytes = 0;
  bool finished = false;
  absl::Status status;

  explicit Writing(const SnapshotIdentity& of) : identity(of), encoder(of) {}
};

SnapshotSaver::SnapshotSaver(const KafkaSnapshots::Options& options, SnapshotListener* listener,
                             std::shared_ptr<spdlog::logger> logger,
                             std::function<void(const TopicPartition&, Tenure)> on_confirmed)
    : options_(options), listener_(listener), logger_(std::move(logger)), on_confirmed_(std::move(on_confirmed)) {}

SnapshotSaver::~SnapshotSaver() { Stop(); }

absl::Status SnapshotSaver::Start() {
  if (absl::Status made = MakeProducer(); !made.ok()) return made;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "snapshots-out");
  return absl::OkStatus();
}

void SnapshotSaver::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status SnapshotSaver::MakeProducer() {
  kafka::Settings settings = options_.client;
  settings["message.timeout.ms"] = std::to_string(options_.produce_timeout.count());
  settings["message.max.bytes"] = std::to_string(options_.chunk_bytes + (64 << 10));
  auto made = kafka::Producer::Create(
      settings, [this](const kafka::DeliveryReport& report) { OnReport(report); }, options_.log);
  if (made.ok()) producer_ = std::move(*made);
  return made.status();
}

void SnapshotSaver::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void SnapshotSaver::Run() {
  std::optional<steady_clock::time_point> stop_by;
  for (;;) {
    std::vector<std::function<void()>> tasks;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      if ((sent_.empty() && deletions_.empty()) || producer_ == nullptr)
        wake_.wait_for(lock, kIdle, [this] { return stopping_ || !tasks_.empty(); });
      tasks.swap(tasks_);
      stopping = stopping_;
    }
    for (auto& task : tasks) task();
    SendDeletions();
    if (producer_ != nullptr) producer_->Poll(sent_.empty() ? 0 : kPollMs);
    if (producer_dead_ || producer_ == nullptr) RenewProducer();
    if (!stopping || !tasks.empty()) continue;
    if (!stop_by) stop_by = steady_clock::now() + kStopPatience;
    if ((sent_.empty() && deletions_.empty()) || steady_clock::now() > *stop_by) return;
  }
}

// The client gives up for good on some errors, and wants to be made anew.
void SnapshotSaver::RenewProducer() {
  producer_.reset();
  producer_dead_ = false;
  for (auto& [tag, sent] : std::exchange(sent_, {})) {
    if (sent.deletion) {
      deletions_.push_back(std::move(*sent.deletion));
      continue;
    }
    on_its_way_.fetch_sub(static_cast<int64_t>(sent.bytes), std::memory_order_relaxed);
    const auto at = writing_.find(sent.of);
    if (at == writing_.end() || at->second->pointer.id != sent.id || !at->second->status.ok()) continue;
    at->second->status = absl::UnavailableError("the Kafka client had to be made anew");
  }
  deletions_sent_ = 0;
  std::vector<TopicPartition> waiting;
  for (const auto& [partition, writing] : writing_) waiting.push_back(partition);
  for (const TopicPartition& partition : waiting) AnswerIfDone(partition);
  if (absl::Status made = MakeProducer(); !made.ok()) logger_->error("snapshots: {}", std::string(made.message()));
}

// ---- What the callers ask for.

SnapshotSaver::Writing* SnapshotSaver::Find(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  const auto at = writing_.find(partition);
  if (at == writing_.end() || at->second->tenure != tenure || at->second->save != save) return nullptr;
  return at->second.get();
}

SnapshotSaver::Owner* SnapshotSaver::OwnerOf(const TopicPartition& partition, Tenure tenure) {
  const auto at = owners_.find(partition);
  return at == owners_.end() || at->second.tenure != tenure ? nullptr : &at->second;
}

void SnapshotSaver::Take(const TopicPartition& partition, Tenure tenure, std::optional<SnapshotPointer> found) {
  Post([=, this] {
    GiveUp(partition);  // of an earlier tenure of this process
    Owner& owner = owners_[partition] = Owner{};
    owner.tenure = tenure;
    if (found) owner.kept.push_back({0, *found});
  });
}

void SnapshotSaver::Delete(std::vector<Deletion> deletions) {
  Post([this, deletions = std::move(deletions)] {
    deletions_.insert(deletions_.end(), deletions.begin(), deletions.end());
  });
}

void SnapshotSaver::Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) {
  Post([=, this] {
    GiveUp(identity.partition);
    auto writing = std::make_unique<Writing>(identity);
    writing->tenure = tenure;
    writing->save = save;
    writing->pointer.id = NewSnapshotId();
    const int32_t partitions = partitions_.load(std::memory_order_relaxed);
    if (partitions > 0) {
      writing->pointer.partition =
          kafka::PartitionFor(kafka::Partitioner::kMurmur2, ToString(identity.partition), partitions);
    } else {
      writing->status =
          absl::UnavailableError(absl::StrCat("topic ", options_.topic, " does not exist, or has not answered yet"));
    }
    writing_[identity.partition] = std::move(writing);
  });
}

void SnapshotSaver::Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) {
  on_its_way_.fetch_add(static_cast<int64_t>(bytes.size()), std::memory_order_relaxed);
  Post([this, partition, tenure, save, bytes = std::move(bytes)] {
    Writing* writing = Find(partition, tenure, save);
    if (writing != nullptr && writing->status.ok()) {
      writing->buffer += writing->encoder.Append(bytes);
      SendChunks(writing, /*all=*/false);
    }
    on_its_way_.fetch_sub(static_cast<int64_t>(bytes.size()), std::memory_order_relaxed);
  });
}

void SnapshotSaver::Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  Post([=, this] {
    Writing* writing = Find(partition, tenure, save);
    if (writing == nullptr) return;
    if (writing->status.ok()) {
      writing->buffer += writing->encoder.Finish();
      SendChunks(writing, /*all=*/true);
    }
    writing->finished = true;
    AnswerIfDone(partition);
  });
}

void SnapshotSaver::Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  Post([=, this] {
    if (Find(partition, tenure, save) != nullptr) return GiveUp(partition);
    // Or it is whole, and its owner will never hear of it.
    Owner* owner = OwnerOf(partition, tenure);
    if (owner == nullptr || owner->kept.empty() || owner->kept.back().save != save) return;
    const SnapshotPointer& pointer = owner->kept.back().pointer;
    DeleteChunks(partition, pointer.partition, pointer.id, pointer.chunks);
    owner->kept.pop_back();
  });
}

void SnapshotSaver::Committed(const TopicPartition& partition, Tenure tenure, const std::string& text) {
  Post([=, this] {
    Owner* owner = OwnerOf(partition, tenure);
    if (owner == nullptr) return;
    if (!std::exchange(owner->confirmed, true)) on_confirmed_(partition, tenure);
    const auto at = std::find_if(owner->kept.begin(), owner->kept.end(),
                                 [&](const Kept& kept) { return kept.pointer.Encode() == text; });
    if (at == owner->kept.end()) return;
    for (auto old = owner->kept.begin(); old != at; ++old)
      DeleteChunks(partition, old->pointer.partition, old->pointer.id, old->pointer.chunks);
    owner->kept.erase(owner->kept.begin(), at);
  });
}

// ---- Chunks.

void SnapshotSaver::SendChunks(Writing* writing, bool all) {
  size_t at = 0;
  const auto left = [&] { return writing->buffer.size() - at; };
  while (writing->status.ok() && (left() >= options_.chunk_bytes || (all && left() > 0))) {
    const std::string_view chunk = std::string_view(writing->buffer).substr(at, std::min(left(), options_.chunk_bytes));
    const TopicPartition& of = writing->identity.partition;
    const std::string key = ChunkKey{options_.group, of, writing->pointer.id, writing->pointer.chunks}.Encode();
    kafka::OutgoingMessage message;
    message.topic = options_.topic;
    message.partition = writing->pointer.partition;
    message.key = key;
    message.value = chunk;
    writing->status = Send(message, {of, writing->pointer.id, chunk.size(), std::nullopt});
    if (!writing->status.ok()) break;
    on_its_way_.fetch_add(static_cast<int64_t>(chunk.size()), std::memory_order_relaxed);
    ++writing->pointer.chunks;
    writing->bytes += static_cast<int64_t>(chunk.size());
    at += chunk.size();
  }
  writing->buffer.erase(0, at);
}

absl::Status SnapshotSaver::Send(const kafka::OutgoingMessage& message, Sent sent) {
  if (producer_ == nullptr) return absl::UnavailableError("there is no Kafka client");
  const uint64_t tag = next_tag_++;
  const absl::Status status = producer_->Produce(message, tag);
  if (status.ok()) sent_.emplace(tag, std::move(sent));
  if (absl::IsInternal(status)) producer_dead_ = true;
  return status;
}

void SnapshotSaver::OnReport(const kafka::DeliveryReport& report) {
  const auto found = sent_.find(report.tag);
  if (found == sent_.end()) return;
  Sent sent = std::move(found->second);
  sent_.erase(found);
  if (absl::IsInternal(report.status)) producer_dead_ = true;
  if (sent.deletion) {
    --deletions_sent_;
    // Without the topic there is nothing to delete.
    if (!report.status.ok() && !absl::IsNotFound(report.status)) deletions_.push_back(std::move(*sent.deletion));
    return;
  }
  on_its_way_.fetch_sub(static_cast<int64_t>(sent.bytes), std::memory_order_relaxed);
  const auto at = writing_.find(sent.of);
  if (at == writing_.end() || at->second->pointer.id != sent.id) return;
  Writing& writing = *at->second;
  if (report.status.ok()) {
    writing.pointer.first = writing.acked == 0 ? report.offset : std::min(writing.pointer.first, report.offset);
    writing.pointer.last = std::max(writing.pointer.last, report.offset);
    ++writing.acked;
  } else if (writing.status.ok()) {
    const std::string text(report.status.message());
    writing.status =
        absl::IsInvalidArgument(report.status)
            ? absl::InvalidArgumentError(absl::StrCat(text, ": max.message.bytes of topic ", options_.topic,
                                                      " must be at least ", options_.chunk_bytes + (64 << 10)))
            : report.status;
  }
  AnswerIfDone(sent.of);
}

void SnapshotSaver::AnswerIfDone(const TopicPartition& partition) {
  const auto at = writing_.find(partition);
  if (at == writing_.end() || !at->second->finished) return;
  Writing& writing = *at->second;
  if (writing.status.ok() && writing.acked < writing.pointer.chunks) return;
  const Tenure tenure = writing.tenure;
  const uint64_t save = writing.save;
  if (!writing.status.ok()) {
    const absl::Status status = writing.status;
    logger_->error("{}: no snapshot: {}", ToString(partition), std::string(status.message()));
    GiveUp(partition);
    listener_->OnSnapshotSaved(partition, tenure, save, status);
    return;
  }
  const SavedSnapshot saved{.pointer = writing.pointer.Encode(), .bytes = writing.bytes};
  if (Owner* owner = OwnerOf(partition, tenure)) owner->kept.push_back({save, writing.pointer});
  writing_.erase(at);
  listener_->OnSnapshotSaved(partition, tenure, save, saved);
}

// ---- Deletions.

// What is being written is not wanted any more.
void SnapshotSaver::GiveUp(const TopicPartition& partition) {
  const auto at = writing_.find(partition);
  if (at == writing_.end()) return;
  // The deletions come after the chunks in the log: one producer, in order.
  const SnapshotPointer& pointer = at->second->pointer;
  DeleteChunks(partition, pointer.partition, pointer.id, pointer.chunks);
  writing_.erase(at);
}

void SnapshotSaver::DeleteChunks(const TopicPartition& of, int32_t partition, const std::string& id, int32_t chunks) {
  for (int32_t chunk = 0; chunk < chunks; ++chunk)
    deletions_.push_back({partition, ChunkKey{options_.group, of, id, chunk}.Encode()});
}

void SnapshotSaver::SendDeletions() {
  while (!deletions_.empty() && deletions_sent_ < kDeletionsAtOnce) {
    Deletion& deletion = deletions_.front();
    kafka::OutgoingMessage message;
    message.topic = options_.topic;
    message.partition = deletion.partition;
    message.key = deletion.key;
    Sent sent;
    sent.deletion = deletion;
    const absl::Status status = Send(message, std::move(sent));
    if (absl::IsUnavailable(status) || absl::IsInternal(status) || absl::IsResourceExhausted(status)) return;
    deletions_.pop_front();  // sent, or there is nothing it could be sent to
    if (status.ok()) ++deletions_sent_;
  }
}

}  // namespace runledger::ingest
