#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codecs/hash.h"

#include "fakes/events.h"
#include "fakes/recording_log.h"
#include "ingest/delivery.h"

namespace runledger::ingest {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kStart = 1'768'000'000 * kSecond;

class Problems : public DeliveryListener {
 public:
  void OnProblem(const TopicPartition&, const std::string& text) override { texts.push_back(text); }
  void OnShardReplaced(const TopicPartition&, std::shared_ptr<aggregators::Shard> shard) override {
    replaced.push_back(std::move(shard));
  }
  void OnStateLost(const TopicPartition&) override { ++lost; }
  void OnWarehouseBegunAnew(const TopicPartition&, const Position& committed) override {
    begun_anew.push_back(committed);
  }
  void OnBrokerTime(const TopicPartition&, const BrokerTime& told) override { broker_times.push_back(told); }
  void OnCircuit(const TopicPartition&, bool open) override { circuits.push_back(open); }
  std::vector<std::string> texts;
  std::vector<std::shared_ptr<aggregators::Shard>> replaced;
  int lost = 0;
  std::vector<Position> begun_anew;
  std::vector<BrokerTime> broker_times;
  std::vector<bool> circuits;
};

// One delivery, its surroundings and its time, driven by hand.
class DeliveryTest : public testing::Test {
 protected:
  void Make(Assignment assignment, DeliveryOptions options = {}) {
    assignment.partition = {"events", 3};
    assignment.tenure = 7;
    assignment.cluster_id = "cluster";
    options.rows.batch_age_us = 0;
    const auto make_shard = [this] {
      return std::make_shared<aggregators::Shard>(aggregators::ShardOptions{},
                                                  std::make_shared<aggregators::JobPolicies>(), workflows_);
    };
    delivery_ = std::make_unique<Delivery>(
        options, Delivery::Parts{&log_, with_sink_ ? &sink_ : nullptr, &snapshots_, &encoder_, &problems_, make_shard},
        std::move(assignment));
    shard_ = delivery_->shared_shard();
    snapshots_ = {};
    delivery_->OnAssigned(now_);
    ASSERT_EQ(snapshots_.loads.size(), 1);
    delivery_->OnSnapshotLoaded(snapshot_ ? absl::StatusOr<Snapshot>(*snapshot_) : absl::NotFoundError("none"), now_);
  }
  // The store takes what is being written.
  void FinishSnapshot(const std::string& pointer) {
    while (delivery_->Continue(now_)) {
    }
    ASSERT_TRUE(snapshots_.saves.back().finished);
    delivery_->OnSnapshotSaved(snapshots_.saves.back().id, SavedSnapshot{.pointer = pointer, .bytes = 1}, now_);
  }

  // The warehouse opens, the first commit is accepted: rows may flow.
  void Open(std::optional<Position> position) {
    SinkOpened opened;
    opened.metadata = sink_.opened_with.back();
    opened.position = position;
    delivery_->OnSinkOpened(opened, now_);
    AcceptCommit();
  }
  // The group takes the word of an owner whose warehouse has not answered.
  void Claim() {
    Later(kSecond);
    AcceptCommit();
  }
  void AcceptCommit() {
    ASSERT_FALSE(log_.commits.empty());
    delivery_->OnCommitted(log_.commits.back().id, absl::OkStatus(), now_);
  }

  void Read(int64_t offset, const std::string& value) { ReadAt(offset, value, kStart + offset * kSecond); }
  void ReadAt(int64_t offset, const std::string& value, int64_t time_us, Reader reader = Reader::kFold) {
    Record record;
    record.offset = offset;
    record.timestamp_us = time_us;
    record.has_value = true;
    record.value = value;
    record.has_key = true;
    record.key = "key";
    delivery_->OnRecords(reader, std::span(&record, 1), now_);
  }
  // What delivery wrote, as it comes back.
  void ReadBack(int64_t offset, const OutgoingRecord& written, int64_t time_us) {
    std::vector<kafka::Header> headers;
    for (const auto& [name, value] : written.headers) headers.push_back({name, value});
    Record record;
    record.offset = offset;
    record.timestamp_us = time_us;
    record.has_value = record.has_key = true;
    record.value = *written.value;
    record.key = *written.key;
    record.headers = headers;
    delivery_->OnRecords(Reader::kFold, std::span(&record, 1), now_);
  }
  std::string Event(int64_t offset, v1::Status status = v1::RUNNING) {
    return fakes::RunEvent("job", "run-" + std::to_string(offset), status, kStart + offset * kSecond)
        .SerializeAsString();
  }
  // The warehouse says that this owner is not the one that opened the partition last.
  void Fence(size_t submission) {
    SubmitResult fenced;
    fenced.kind = SubmitResult::Kind::kFenced;
    fenced.status = absl::FailedPreconditionError("opened by another");
    delivery_->OnSubmitted(sink_.submissions[submission].id, fenced, now_);
  }
  void Done(size_t submission) { delivery_->OnSubmitted(sink_.submissions[submission].id, {}, now_); }
  void Later(int64_t us) {
    now_.mono_us += us;
    now_.wall_us += us;
    delivery_->OnTime(now_);
  }
  aggregators::ShardPositions Published() {
    Later(kSecond);
    return shard_->Read()->positions;
  }

  bool with_sink_ = true;
  std::optional<Snapshot> snapshot_;                                // what the store has
  std::shared_ptr<const aggregators::WorkflowPolicies> workflows_;  // nullptr: the defaults
  Moment now_{1'000 * kSecond, kStart};
  fakes::RecordingLog log_;
  fakes::RecordingSink sink_;
  fakes::RecordingSnapshots snapshots_;
  Problems problems_;
  codecs::RowEncoder encoder_{codecs::SecretNames()};
  std::shared_ptr<aggregators::Shard> shard_;
  std::unique_ptr<Delivery> delivery_;
};

}  // namespace runledger::ingest
