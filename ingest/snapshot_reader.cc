#include "ingest/snapshot_reader.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

using std::chrono::steady_clock;

constexpr size_t kDrainMax = 8;  // chunks held at once
constexpr int kDrainMs = 200;
constexpr int kAskMs = 1'000;
constexpr auto kStartAgain = std::chrono::milliseconds(300);
// A new leader may not yet know how far its log is complete, and names an end that lies before it.
constexpr auto kEndSettles = std::chrono::seconds(5);

// One reading of a partition, given up at the end.
class Reading {
 public:
  Reading(kafka::PartitionReader* reader, kafka::TopicPartition partition)
      : reader_(reader), partition_(std::move(partition)) {}
  ~Reading() {
    if (queue_ == nullptr) return;
    queue_.reset();
    reader_->Stop(partition_).IgnoreError();  // it is not read any more in any case
  }
  absl::Status Start(int64_t offset) {
    auto queue = reader_->Start(partition_, offset);
    if (queue.ok()) queue_ = std::move(*queue);
    return queue.status();
  }
  void Drain(kafka::MessageBatch* batch) { queue_->Drain(kDrainMax, kDrainMs, batch); }

 private:
  kafka::PartitionReader* reader_;
  kafka::TopicPartition partition_;
  std::unique_ptr<kafka::PartitionQueue> queue_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotReader>> SnapshotReader::Create(const kafka::Settings& client, std::string topic,
                                                                       std::string group, kafka::LogCallback log) {
  kafka::Settings settings = client;
  settings["group.id"] = group;
  settings["enable.partition.eof"] = "true";
  settings["fetch.wait.max.ms"] = "100";
  settings["queued.max.messages.kbytes"] = "32768";
  auto reader = kafka::PartitionReader::Create(settings, std::move(log));
  if (!reader.ok()) return reader.status();
  return std::unique_ptr<SnapshotReader>(new SnapshotReader(std::move(*reader), std::move(topic), std::move(group)));
}

absl::StatusOr<std::vector<int64_t>> SnapshotReader::Ends(int timeout_ms) {
  const auto count = reader_->PartitionCount(topic_, timeout_ms);
  if (!count.ok()) return count.status();
  std::vector<int64_t> ends;
  for (int32_t partition = 0; partition < *count; ++partition) {
    const auto end = reader_->EndOf({topic_, partition}, timeout_ms);
    if (!end.ok()) return end.status();
    ends.push_back(*end);
  }
  return ends;
}

absl::Status SnapshotReader::Known(int32_t partition, const Limits& limits) {
  const auto began = steady_clock::now();
  for (;;) {
    const auto count = reader_->PartitionCount(topic_, kAskMs);
    if (count.ok() && partition < *count) return absl::OkStatus();
    if (count.ok()) return absl::OutOfRangeError(absl::StrCat("the topic has ", *count, " partitions"));
    const auto waited = steady_clock::now() - began;
    // A broker may not have heard yet of a topic that was just made.
    if (absl::IsNotFound(count.status()) && waited > kEndSettles)
      return absl::OutOfRangeError(std::string(count.status().message()));
    if (limits.stopped()) return absl::CancelledError("stopped");
    if (waited > limits.patience) return absl::UnavailableError(std::string(count.status().message()));
    std::this_thread::sleep_for(kStartAgain);
  }
}

absl::Status SnapshotReader::Follow(int32_t partition, int64_t next, int64_t end, const Limits& limits,
                                    const Use& use) {
  auto heard = steady_clock::now();                    // when something came last
  auto ended_since = steady_clock::time_point::max();  // since when the log ends too early
  std::string trouble = "no answer";
  kafka::MessageBatch batch;
  for (;;) {
    Reading reading(reader_.get(), {topic_, partition});
    absl::Status broken = reading.Start(next);
    while (broken.ok()) {
      if (limits.stopped()) return absl::CancelledError("stopped");
      if (steady_clock::now() - heard > limits.patience) return absl::UnavailableError(trouble);
      reading.Drain(&batch);
      reader_->Poll();
      for (const kafka::MessageView& message : batch.messages()) {
        if (message.offset >= end) return absl::OkStatus();
        if (message.offset < next) continue;  // of an earlier reading
        use(message);
        next = message.offset + 1;
        heard = steady_clock::now();
        ended_since = steady_clock::time_point::max();
      }
      if (next >= end) return absl::OkStatus();
      if (batch.end_of_log()) {
        if (*batch.end_of_log() >= end) return absl::OkStatus();
        trouble = absl::StrCat("it ends at offset ", *batch.end_of_log());
        ended_since = std::min(ended_since, steady_clock::now());
      }
      if (steady_clock::now() - kEndSettles > ended_since) return absl::OutOfRangeError(trouble);
      broken = batch.error();
      batch.Clear();
    }
    if (absl::IsOutOfRange(broken)) return broken;
    trouble = std::string(broken.message());
    if (limits.stopped()) return absl::CancelledError("stopped");
    if (steady_clock::now() - heard > limits.patience) return absl::UnavailableError(trouble);
    std::this_thread::sleep_for(kStartAgain);
  }
}

absl::StatusOr<std::string> SnapshotReader::Read(const SnapshotPointer& pointer, const TopicPartition& of,
                                                 const Limits& limits) {
  std::vector<std::string> chunks(static_cast<size_t>(pointer.chunks));
  size_t found = 0;
  const auto take = [&](const kafka::MessageView& message) {
    const auto key = ChunkKey::Decode(message.key);
    if (!key || key->group != group_ || key->of != of || key->id != pointer.id) return;
    if (key->chunk >= pointer.chunks || message.value.empty()) return;
    std::string& chunk = chunks[static_cast<size_t>(key->chunk)];
    if (chunk.empty()) ++found;
    chunk = std::string(message.value);
  };
  absl::Status status = Known(pointer.partition, limits);
  if (status.ok()) status = Follow(pointer.partition, pointer.first, pointer.last + 1, limits, take);
  if (absl::IsOutOfRange(status)) {
    return absl::NotFoundError(absl::StrCat("topic ", topic_, " does not hold offsets ", pointer.first, " to ",
                                            pointer.last, " of partition ", pointer.partition, " (",
                                            std::string(status.message()), ")"));
  }
  if (!status.ok()) return status;
  if (found < chunks.size()) {
    return absl::NotFoundError(
        absl::StrCat(chunks.size() - found, " of its ", chunks.size(), " chunks are missing in topic ", topic_));
  }
  std::string bytes;
  for (std::string& chunk : chunks) {
    bytes += chunk;
    std::string().swap(chunk);  // they are large: never all of them twice
  }
  return bytes;
}

absl::Status SnapshotReader::Scan(int32_t partition, int64_t end, const Limits& limits,
                                  const std::function<void(const ChunkKey&, int64_t, bool)>& visit) {
  return Follow(partition, kafka::kOffsetBeginning, end, limits, [&](const kafka::MessageView& message) {
    const auto key = ChunkKey::Decode(message.key);
    if (key && key->group == group_) visit(*key, message.offset, !message.has_value);
  });
}

}  // namespace runledger::ingest
