#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingest/kafka/consumer.h"
#include "ingest/kafka/producer.h"

namespace runledger::test {

// A record with bytes of its own.
struct ReadRecord {
  kafka::TopicPartition partition;
  int64_t offset = 0;
  int64_t timestamp_ms = 0;
  kafka::TimestampType timestamp_type = kafka::TimestampType::kNone;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers;
};

// A member of a consumer group that reads everything it is assigned and keeps what it read. One thread.
class Member : public kafka::Consumer::Listener {
 public:
  using StartAt = std::function<int64_t(const kafka::TopicPartition&)>;

  // Aborts if the client cannot be made. `settings` need bootstrap.servers and group.id.
  Member(const kafka::Settings& settings, const std::vector<std::string>& topics, StartAt start_at);
  // As above, from the beginning.
  Member(const kafka::Settings& settings, const std::vector<std::string>& topics);
  ~Member() override;

  // Commits and waits for the answer; DeadlineExceeded if there is none in time.
  absl::Status Commit(const std::vector<kafka::CommittedOffset>& offsets,
                      std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Polls and drains once.
  void Step(int timeout_ms = 20);

  kafka::Consumer& consumer() { return *consumer_; }
  kafka::PartitionQueue& queue(const kafka::TopicPartition& partition) { return *queues_.at(partition); }
  // While false, queues are not drained; polling goes on.
  void set_draining(bool draining) { draining_ = draining; }

  const std::set<kafka::TopicPartition>& assigned() const { return assigned_; }
  const std::vector<ReadRecord>& records() const { return records_; }
  std::vector<ReadRecord> RecordsOf(const kafka::TopicPartition& partition) const;
  const std::map<kafka::TopicPartition, absl::Status>& partition_errors() const { return partition_errors_; }
  void ForgetPartitionErrors() { partition_errors_.clear(); }
  const std::vector<absl::Status>& errors() const { return errors_; }
  const absl::Status& assign_status() const { return assign_status_; }
  int revocations() const { return revocations_; }
  bool lost() const { return lost_; }
  // Answers to commits that were sent through consumer(), by their tags.
  const std::map<uint64_t, absl::Status>& commit_answers() const { return commits_; }

 private:
  void OnAssigned(const std::vector<kafka::TopicPartition>& partitions) override;
  void OnRevoked(const std::vector<kafka::TopicPartition>& partitions, bool lost) override;
  void OnCommitted(uint64_t tag, const absl::Status& status) override { commits_[tag] = status; }
  void OnError(const absl::Status& status) override { errors_.push_back(status); }

  StartAt start_at_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::map<kafka::TopicPartition, std::unique_ptr<kafka::PartitionQueue>> queues_;
  std::set<kafka::TopicPartition> assigned_;
  std::vector<ReadRecord> records_;
  std::map<kafka::TopicPartition, absl::Status> partition_errors_;
  std::vector<absl::Status> errors_;
  std::map<uint64_t, absl::Status> commits_;  // answers, by tag
  uint64_t next_tag_ = 1;
  absl::Status assign_status_;
  kafka::MessageBatch batch_;
  int revocations_ = 0;
  bool lost_ = false;
  bool draining_ = true;
};

// Steps the members in turn until `done`; false if that takes longer than the timeout.
bool StepUntil(std::initializer_list<Member*> members, const std::function<bool()>& done,
               std::chrono::seconds timeout = std::chrono::seconds(60));

// A group member's usual settings for tests: short sessions.
kafka::Settings GroupSettings(const std::string& bootstrap, const std::string& group);

// Writes "prefix0".."prefixN-1" to a partition and waits until they are there.
void WriteValues(const std::string& bootstrap, const kafka::TopicPartition& partition, int count,
                 const std::string& prefix = "v");

}  // namespace runledger::test
