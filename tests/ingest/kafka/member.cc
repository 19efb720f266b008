#include "ingest/kafka/member.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace runledger::test {
namespace {

using kafka::TopicPartition;

constexpr size_t kDrainMax = 1000;

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

ReadRecord Copy(const TopicPartition& partition, const kafka::MessageView& message) {
  ReadRecord record;
  record.partition = partition;
  record.offset = message.offset;
  record.timestamp_ms = message.timestamp_ms;
  record.timestamp_type = message.timestamp_type;
  if (message.has_key) record.key = message.key;
  if (message.has_value) record.value = message.value;
  for (const kafka::Header& header : message.headers) record.headers.emplace_back(header.name, header.value);
  return record;
}

}  // namespace

Member::Member(const kafka::Settings& settings, const std::vector<std::string>& topics, StartAt start_at)
    : start_at_(std::move(start_at)) {
  absl::StatusOr<std::unique_ptr<kafka::Consumer>> made = kafka::Consumer::Create(settings, this, {});
  CheckOk(made.status());
  consumer_ = *std::move(made);
  CheckOk(consumer_->Subscribe(topics));
}

Member::Member(const kafka::Settings& settings, const std::vector<std::string>& topics)
    : Member(settings, topics, [](const TopicPartition&) { return kafka::kOffsetBeginning; }) {}

Member::~Member() {
  batch_.Clear();
  queues_.clear();
}

absl::Status Member::Commit(const std::vector<kafka::CommittedOffset>& offsets, std::chrono::milliseconds timeout) {
  const uint64_t tag = next_tag_++;
  if (absl::Status sent = consumer_->Commit(offsets, tag); !sent.ok()) return sent;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (commits_.count(tag) == 0) {
    if (std::chrono::steady_clock::now() > deadline) return absl::DeadlineExceededError("no answer to a commit");
    consumer_->ServeCommits(50);
  }
  return commits_[tag];
}

void Member::Step(int timeout_ms) {
  consumer_->Poll(timeout_ms);
  if (!draining_) return;
  for (auto& [partition, queue] : queues_) {
    queue->Drain(kDrainMax, 0, &batch_);
    for (const kafka::MessageView& message : batch_.messages()) records_.push_back(Copy(partition, message));
    if (!batch_.error().ok()) partition_errors_[partition] = batch_.error();
    batch_.Clear();
  }
}

std::vector<ReadRecord> Member::RecordsOf(const TopicPartition& partition) const {
  std::vector<ReadRecord> found;
  std::copy_if(records_.begin(), records_.end(), std::back_inserter(found),
               [&](const ReadRecord& record) { return record.partition == partition; });
  return found;
}

void Member::OnAssigned(const std::vector<TopicPartition>& partitions) {
  std::vector<kafka::PartitionOffset> starts;
  for (const TopicPartition& partition : partitions) {
    queues_[partition] = consumer_->OpenQueue(partition);
    assigned_.insert(partition);
    starts.push_back({partition, start_at_(partition)});
  }
  assign_status_.Update(consumer_->Assign(starts));
}

void Member::OnRevoked(const std::vector<TopicPartition>& partitions, bool lost) {
  ++revocations_;
  lost_ = lost_ || lost;
  for (const TopicPartition& partition : partitions) {
    queues_.erase(partition);
    assigned_.erase(partition);
  }
  assign_status_.Update(consumer_->Unassign(partitions));
}

bool StepUntil(std::initializer_list<Member*> members, const std::function<bool()>& done,
               std::chrono::seconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    for (Member* member : members) member->Step();
  }
  return true;
}

kafka::Settings GroupSettings(const std::string& bootstrap, const std::string& group) {
  // The session is so long that nobody is thrown out for having been kept waiting.
  return {{"bootstrap.servers", bootstrap},
          {"group.id", group},
          {"session.timeout.ms", "45000"},
          {"heartbeat.interval.ms", "500"},
          {"topic.metadata.refresh.interval.ms", "1000"},
          {"reconnect.backoff.max.ms", "500"}};
}

void WriteValues(const std::string& bootstrap, const TopicPartition& partition, int count, const std::string& prefix) {
  absl::Status delivery;
  absl::StatusOr<std::unique_ptr<kafka::Producer>> made =
      kafka::Producer::Create({{"bootstrap.servers", bootstrap}},
                              [&](const kafka::DeliveryReport& report) { delivery.Update(report.status); }, {});
  CheckOk(made.status());
  for (int i = 0; i < count; ++i) {
    const std::string value = prefix + std::to_string(i);
    kafka::OutgoingMessage message;
    message.topic = partition.topic;
    message.partition = partition.partition;
    message.value = value;
    absl::Status status = (*made)->Produce(message, static_cast<uint64_t>(i));
    while (absl::IsResourceExhausted(status)) {
      (*made)->Poll(50);
      status = (*made)->Produce(message, static_cast<uint64_t>(i));
    }
    CheckOk(status);
  }
  CheckOk((*made)->Flush(30'000));
  CheckOk(delivery);
}

}  // namespace runledger::test
