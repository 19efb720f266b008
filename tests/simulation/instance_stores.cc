#include <algorithm>
#include <utility>

#include "simulation/instance.h"

// What an instance asks of the warehouse and of the store of its snapshots, and what comes back.

namespace runledger::simulation {

// ---- The warehouse.

void Instance::Ask(Request request, CrashPoint point) {
  if (Crashes(point)) return;
  opens_and_rows_.last_us = std::max(opens_and_rows_.last_us, world_.scheduler.now_us() + world_.About(kNetwork));
  if (world_.Is(Fault::kWarehouseSlow)) opens_and_rows_.last_us += world_.random.Between(0, 2 * kMinute);
  const auto arrive = [this, request = std::move(request)] {
    requests_.push_back(request);
    if (processing_) return;
    processing_ = true;
    ProcessRequests();
  };
  if (SessionDiesWithIt()) {
    Run(opens_and_rows_.last_us - world_.scheduler.now_us(), arrive);
  } else {  // what is on its way to a server arrives, whatever becomes of the sender
    world_.scheduler.At(opens_and_rows_.last_us, [self = shared_from_this(), arrive] { arrive(); });
  }
}

void Instance::ProcessRequests() {
  const auto work = [this] {
    processing_ = false;
    if (session_ == nullptr) return;
    const std::vector<Request> group = std::exchange(requests_, {});
    answers_.clear();
    session_->Process(group);
    const std::vector<std::function<void()>> answers = std::exchange(answers_, {});
    const auto has = [&](RequestKind kind) {
      return std::any_of(group.begin(), group.end(), [kind](const Request& r) { return r.kind == kind; });
    };
    if (has(RequestKind::kSubmit) && Crashes(CrashPoint::kWritten)) return;
    if (has(RequestKind::kOpen) && Crashes(CrashPoint::kOpened)) return;
    for (const auto& answer : answers) RunOn(&answers_channel_, world_.About(kSecond), answer);
  };
  // More may come meanwhile: it goes with the first.
  if (SessionDiesWithIt()) {
    Run(world_.About(kSecond), work);
  } else {
    world_.scheduler.In(world_.About(kSecond), [self = shared_from_this(), work] { work(); });
  }
}

void Instance::Open(const TopicPartition& partition, Tenure tenure, const Position& committed,
                    const CommitMetadata& metadata) {
  Request request;
  request.kind = RequestKind::kOpen;
  request.tenure = tenure;
  request.partition = partition;
  request.committed = committed;
  request.metadata = metadata;
  Ask(std::move(request), CrashPoint::kOpening);
}

void Instance::Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) {
  Request request;
  request.kind = RequestKind::kSubmit;
  request.tenure = tenure;
  request.submission = submission;
  request.rows = rows;
  submitted_[{tenure, submission}] = std::move(rows);
  Ask(std::move(request), CrashPoint::kSubmitting);
}

void Instance::Close(const TopicPartition& partition, Tenure tenure) {
  if (dead_) return;
  Request request;
  request.kind = RequestKind::kClose;
  request.tenure = tenure;
  request.partition = partition;
  Ask(std::move(request), CrashPoint::kReleased);
}

void Instance::OnSinkOpened(const TopicPartition& partition, Tenure tenure, ingest::SinkOpened opened) {
  world_.Note(name_ + " opened " + ToString(partition) + ": " + std::string(opened.status.message()) +
              (opened.position ? " at " + ingest::ToString(*opened.position) : "") + " " +
              std::to_string(opened.rows_to_skip) + " rows are there");
  answers_.push_back(
      [=, this] { ToDelivery(partition, tenure, [&](ingest::Delivery& d) { d.OnSinkOpened(opened, Now()); }); });
}

void Instance::OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission,
                           ingest::SubmitResult result) {
  const auto at = submitted_.find({tenure, submission});
  if (at == submitted_.end()) return world_.Fail("an answer to nothing");
  const bool done = result.kind == ingest::SubmitResult::Kind::kDone;
  world_.Note(name_ + " " + ToString(partition) + " rows " + ingest::ToString(at->second->from()) + " to " +
              ingest::ToString(at->second->to()) + (done ? " are written" : " are not: ") +
              std::string(result.status.message()));
  // BigQuery's rows were looked at when they were appended, whether the process heard of it or not.
  if (done && world_.shape.warehouse != Shape::Warehouse::kBigQuery) world_.Fail(world_.truth.OnRows(*at->second));
  answers_.push_back([=, this] {
    ToDelivery(partition, tenure, [&](ingest::Delivery& d) { d.OnSubmitted(submission, result, Now()); });
  });
}

// ---- Snapshots.

void Instance::Load(const TopicPartition& partition, Tenure tenure, const std::string&, int64_t log_epoch,
                    const std::string& pointer, const Position& before) {
  if (dead_) return;
  const int64_t slow_us = world_.Is(Fault::kStoreSlow) ? kMinute : kSecond;
  RunOn(&store_, world_.About(slow_us), [=, this] {
    Slot* slot = Find(partition, tenure);
    if (slot == nullptr) return;
    auto found = keeps() ? services_.shelf->Find(number_, partition, log_epoch, pointer, before) : std::nullopt;
    if (!found) {
      slot->restored_at.reset();
      return slot->delivery->OnSnapshotLoaded(absl::NotFoundError("there is none"), Now());
    }
    slot->restored_at = found->snapshot.identity.position;
    slot->restored = found->lineage;
    slot->delivery->OnSnapshotLoaded(std::move(found->snapshot), Now());
  });
}

void Instance::Begin(Tenure tenure, uint64_t, const ingest::SnapshotIdentity& identity) {
  if (Crashes(CrashPoint::kSnapshotBegun)) return;
  const Slot* slot = Find(identity.partition, tenure);
  saving_[identity.partition.partition] = {
      tenure, Saving{std::make_unique<ingest::SnapshotEncoder>(identity), "", identity.position,
                     slot != nullptr ? slot->lineage : Lineage{}}};
}

void Instance::Append(const TopicPartition& partition, Tenure, uint64_t, std::string bytes) {
  if (Crashes(CrashPoint::kSnapshotPiece)) return;
  Saving& saving = saving_[partition.partition].second;
  saving.bytes += saving.encoder->Append(bytes);
}

void Instance::Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  if (Crashes(CrashPoint::kSnapshotFinished)) return;
  auto saving = std::make_shared<Saving>(std::move(saving_[partition.partition].second));
  saving_.erase(partition.partition);
  saving->bytes += saving->encoder->Finish();
  const int64_t slow_us = world_.Is(Fault::kStoreSlow) ? kMinute : kSecond;
  RunOn(&store_, world_.About(slow_us), [=, this] {
    ingest::SavedSnapshot saved;
    saved.bytes = static_cast<int64_t>(saving->bytes.size());
    saved.pointer =
        services_.shelf->Put(number_, partition.partition, saving->position, saving->bytes, saving->lineage);
    if (Crashes(CrashPoint::kSnapshotDurable)) return;
    ToDelivery(partition, tenure, [&](ingest::Delivery& d) { d.OnSnapshotSaved(save, saved, Now()); });
  });
}

void Instance::Abort(const TopicPartition& partition, Tenure, uint64_t) { saving_.erase(partition.partition); }

void Instance::Committed(const TopicPartition& partition, Tenure, const std::string& pointer) {
  if (!dead_ && !pointer.empty()) services_.shelf->DropBut(partition.partition, pointer);
}

}  // namespace runledger::simulation
