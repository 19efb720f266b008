#include "simulation/instance.h"

#include <algorithm>
#include <utility>

#include "simulation/expected_model.h"

namespace runledger::simulation {
namespace {

constexpr int64_t kMostRecords = 40;  // in one go

ingest::DeliveryOptions OptionsFor(const Shape& shape, tools::Random* random) {
  ingest::DeliveryOptions options;
  options.contact_timeout_us = 3 * kMinute;
  options.clock_step_us = kClockStep;
  options.commit_interval_us = kMinute;
  options.snapshot_interval_us = 6 * kMinute;
  options.snapshot_records = 150;
  options.replay_cap_us = 30 * kMinute;
  options.publish_interval_us = 2 * kTick;
  options.partitioner = kafka::Partitioner::kMurmur2;
  options.own = options.configured_workflows = true;
  options.rows.batch_rows = static_cast<size_t>(random->Between(5, 60));
  options.rows.batch_bytes = 16 << 10;
  options.rows.batch_age_us = random->Between(kSecond, kMinute);
  options.rows.in_flight = static_cast<size_t>(random->Between(1, 4));
  options.rows.held_bytes = shape.held_bytes;
  options.rows.retry_us = 5 * kSecond;
  options.rows.retry_max_us = 2 * kMinute;
  return options;
}

}  // namespace

Instance::Instance(World* world, Services services, int number, std::string static_id)
    : world_(*world),
      services_(services),
      number_(number),
      static_id_(std::move(static_id)),
      name_("instance " + std::to_string(number)),
      encoder_(codecs::SecretNames()) {}

Instance::~Instance() = default;

ingest::Moment Instance::Now() const {
  return {world_.scheduler.now_us() + 1'000 * kSecond, world_.TrueUs() + wall_step_us_};
}

// On one of the process's own threads: not once it is dead, and later if it stands still.
void Instance::Run(int64_t delay_us, std::function<void()> what) {
  world_.scheduler.In(delay_us, [self = weak_from_this(), what = std::move(what)]() mutable {
    const auto me = self.lock();
    if (me == nullptr || me->dead_) return;
    if (me->paused_) {
      me->backlog_.push_back(std::move(what));
    } else {
      what();
    }
  });
}

void Instance::RunOn(Channel* channel, int64_t delay_us, std::function<void()> what) {
  channel->last_us = std::max(channel->last_us, world_.scheduler.now_us() + delay_us);
  Run(channel->last_us - world_.scheduler.now_us(), std::move(what));
}

Instance::Slot* Instance::Find(const TopicPartition& partition, Tenure tenure) {
  const auto at = slots_.find(partition.partition);
  return at == slots_.end() || at->second.tenure != tenure ? nullptr : &at->second;
}

void Instance::ToDelivery(const TopicPartition& partition, Tenure tenure, std::function<void(ingest::Delivery&)> what) {
  if (Slot* slot = Find(partition, tenure)) what(*slot->delivery);
}

// ---- The process.

void Instance::Start() {
  world_.Note(name_ + " starts");
  session_ =
      services_.warehouse->Connect(this, {[self = weak_from_this()](int64_t delay_us, std::function<void()> what) {
                                            if (const auto me = self.lock()) me->Run(delay_us, std::move(what));
                                          },
                                          [this] {
                                            for (auto& answer : std::exchange(answers_, {}))
                                              RunOn(&answers_channel_, world_.About(kSecond), std::move(answer));
                                          }});
  Join();
  Tick();
  AskEnds();
}

void Instance::Kill() {
  if (dead_) return;
  dead_ = true;
  ++world_.kills;
  world_.Note(name_ + " is killed");
  // Not now: this may be called from within.
  world_.scheduler.In(0, [self = shared_from_this()] {
    self->slots_.clear();
    if (self->SessionDiesWithIt()) self->session_.reset();
  });
}

void Instance::Stop() {
  if (dead_ || stopping_ || paused_) return;
  stopping_ = true;
  world_.Note(name_ + " is asked to stop");
  std::vector<int32_t> all;
  for (const auto& [partition, slot] : slots_) all.push_back(partition);
  const int64_t deadline_us = Now().mono_us + kRevokeTimeout;
  for (const int32_t partition : all) slots_[partition].delivery->OnRevoke(Now(), deadline_us);
  if (Crashes(CrashPoint::kRevoking)) return;
  WaitForRelease(all, deadline_us, [this] {
    if (static_id_.empty()) services_.group->Leave(member_);
    world_.Note(name_ + " ends");
    dead_ = true;
    world_.scheduler.In(0, [self = shared_from_this()] {
      if (self->SessionDiesWithIt()) self->session_.reset();
    });
  });
}

void Instance::Pause() {
  if (dead_ || paused_) return;
  paused_ = true;
  world_.Note(name_ + " stands still");
}

void Instance::Resume() {
  if (dead_ || !paused_) return;
  paused_ = false;
  world_.Note(name_ + " wakes up");
  std::deque<std::function<void()>> backlog = std::move(backlog_);
  backlog_.clear();
  int64_t delay_us = 0;
  for (auto& what : backlog) Run(delay_us += 1'000, std::move(what));
}

// What happens all the time: deliveries look at the clock, the group hears that the process is there.
void Instance::Tick() {
  if (member_ != 0 && !world_.Is(Fault::kCoordinatorGone)) {
    if (services_.group->Heartbeat(member_)) {
      contact_us_ = world_.scheduler.now_us();
    } else if (!stopping_ && world_.random.Chance(0.3)) {  // some time goes by before it has asked and understood
      Lost();
    }
  }
  std::vector<std::pair<int32_t, Tenure>> all;
  for (const auto& [partition, slot] : slots_) all.emplace_back(partition, slot.tenure);
  for (const auto& [partition, tenure] : all) {
    if (dead_) return;
    Slot* slot = Find({kLogTopic, partition}, tenure);
    if (slot == nullptr) continue;
    slot->delivery->OnTime(Now());
    if (dead_) return;
    PlanWork(partition, tenure);
    // Beyond the bound by what one go may bring at most, and by letters about rows that are held.
    size_t bound = world_.shape.held_bytes + most_in_one_go_;
    for (const auto& [position, bytes] : slot->letters_of_refused) bound += bytes;
    if (slot->delivery->held_bytes() > bound)
      world_.Fail(name_ + " holds " + std::to_string(slot->delivery->held_bytes()) + " bytes");
  }
  Run(kTick, [this] { Tick(); });
}

void Instance::AskEnds() {
  const ingest::Moment asked = Now();
  clock_.Observe(asked);
  if (!world_.Is(Fault::kLeaderSilent)) {
    for (const auto& [partition, slot] : slots_) {
      const std::optional<int64_t> time = clock_.TimeFor({kLogTopic, partition});
      Run(world_.About(kNetwork), [this, partition = partition, tenure = slot.tenure, asked, time] {
        const SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
        const int64_t start = world_.random.Chance(0.3) ? log.start() : kafka::kOffsetUnknown;
        Run(world_.About(kNetwork), [this, partition, tenure, asked, time, start, end = log.end()] {
          ToDelivery({kLogTopic, partition}, tenure,
                     [&](ingest::Delivery& d) { d.OnLogEnd(start, end, asked, time, Now()); });
        });
      });
    }
  }
  Run(world_.About(kMinute), [this] { AskEnds(); });
}

// ---- The group.

void Instance::Join() {
  if (world_.Is(Fault::kCoordinatorGone)) {
    Run(world_.About(30 * kSecond), [this] { Join(); });
    return;
  }
  member_ = services_.group->Join(weak_from_this(), static_id_);
  contact_us_ = world_.scheduler.now_us();
}

void Instance::FromGroup(Group::MemberId member, std::function<void(Instance&)> what) {
  if (dead_) return;
  Run(0, [this, member, what = std::move(what)] {
    if (waiting_) {
      unheard_.emplace_back(member, what);
    } else if (member == member_ && !stopping_) {
      what(*this);
    }
  });
}

void Instance::Lost() {
  world_.Note(name_ + " is no member any more");
  if (services_.group->Replaced(member_, static_id_)) return Kill();  // the client gives up for good, and so does serve
  member_ = 0;
  for (auto& [partition, slot] : slots_) slot.delivery->OnLost();
  slots_.clear();
  Run(world_.About(10 * kSecond), [this] {
    if (!stopping_) Join();
  });
}

void Instance::Assigned(Group::MemberId member, const std::vector<int32_t>& partitions, int64_t generation) {
  generation_ = generation;
  if (partitions.empty()) return;
  if (Crashes(CrashPoint::kAssigned)) return;
  // The committed offsets are asked for until there is an answer.
  if (world_.Is(Fault::kCoordinatorGone)) {
    waiting_ = true;
    Run(world_.About(20 * kSecond), [this, member, partitions, generation] {
      waiting_ = false;
      if (member == member_ && !stopping_) Assigned(member, partitions, generation);
      while (!waiting_ && !unheard_.empty()) {
        const auto [to, what] = std::move(unheard_.front());
        unheard_.pop_front();
        FromGroup(to, what);
      }
    });
    return;
  }
  for (const int32_t partition : partitions) Take(partition);
}

void Instance::Take(int32_t partition) {
  ingest::Assignment assignment;
  assignment.partition = {kLogTopic, partition};
  assignment.tenure = next_tenure_++;
  assignment.cluster_id = kCluster;
  assignment.partition_count = world_.shape.partitions;
  if (const auto committed = services_.group->committed(partition)) {
    const auto metadata = CommitMetadata::Decode(committed->metadata);
    if (!metadata.ok()) return world_.Fail(name_ + ": " + std::string(metadata.status().message()));
    assignment.metadata = *metadata;
    assignment.committed = Position{committed->offset, metadata->index};
  }
  const SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
  if (!assignment.committed) world_.truth.OwedFrom(partition, log.start());
  if (!world_.Is(Fault::kLeaderSilent)) {
    assignment.log_start = log.start();
    assignment.log_end = log.end();
  }
  world_.Note(name_ + " takes partition " + std::to_string(partition) + " from " +
              (assignment.committed ? ingest::ToString(*assignment.committed) : "the start"));
  Slot& slot = slots_[partition];
  slot = Slot{};
  slot.tenure = assignment.tenure;
  const auto make_shard = [number = number_] {
    return std::make_shared<aggregators::Shard>(ShardBounds(), ShardPolicies(), Workflows(number));
  };
  ingest::Delivery::Parts parts{this, this, this, &encoder_, this, make_shard};
  slot.delivery = std::make_unique<ingest::Delivery>(OptionsFor(world_.shape, &world_.random), std::move(parts),
                                                     std::move(assignment));
  slot.delivery->OnAssigned(Now());
}

void Instance::Revoke(Group::MemberId member, const std::vector<int32_t>& partitions) {
  const int64_t deadline_us = Now().mono_us + kRevokeTimeout;
  for (const int32_t partition : partitions) {
    if (const auto at = slots_.find(partition); at != slots_.end()) at->second.delivery->OnRevoke(Now(), deadline_us);
    if (dead_) return;
  }
  if (Crashes(CrashPoint::kRevoking)) return;
  WaitForRelease(partitions, deadline_us, [this, member] { services_.group->Revoked(member); });
}

void Instance::WaitForRelease(std::vector<int32_t> partitions, int64_t deadline_us, std::function<void()> then) {
  const bool all = std::all_of(partitions.begin(), partitions.end(), [this](int32_t partition) {
    const auto at = slots_.find(partition);
    return at == slots_.end() || at->second.released;
  });
  if (!all && Now().mono_us < deadline_us + kSecond) {
    Run(2 * kSecond, [this, partitions = std::move(partitions), deadline_us, then = std::move(then)]() mutable {
      WaitForRelease(std::move(partitions), deadline_us, std::move(then));
    });
    return;
  }
  if (Crashes(CrashPoint::kReleased)) return;
  for (const int32_t partition : partitions) slots_.erase(partition);
  then();
}

// ---- The log.

void Instance::StartReading(const TopicPartition& partition, Tenure tenure, ingest::Reader reader, int64_t offset) {
  Slot* slot = Find(partition, tenure);
  if (dead_ || slot == nullptr) return;
  if (reader == ingest::Reader::kRows && Crashes(CrashPoint::kRowsReading)) return;
  if (reader == ingest::Reader::kFold) {
    if (Crashes(CrashPoint::kRestoring)) return;
    if (!slot->lineage_known) {
      slot->lineage_known = true;
      const Position applied = slot->delivery->applied();
      if (slot->restored_at == applied) {
        slot->lineage = slot->restored;
      } else {
        slot->lineage.from = offset == kafka::kOffsetBeginning ? -1 : applied.offset;
      }
      world_.Note(name_ + " folds partition " + std::to_string(partition.partition) + " from " +
                  ingest::ToString(applied));
    }
  }
  Reading& reading = slot->readers[static_cast<size_t>(reader)];
  reading = {true, offset, reading.round + 1, -1};
  PlanDrain(partition.partition, tenure, reader, reading.round, world_.About(kNetwork));
}

void Instance::StopReading(const TopicPartition& partition, Tenure tenure, ingest::Reader reader) {
  const Slot* slot = Find(partition, tenure);
  if (slot == nullptr) return;
  // What is on its way may still come.
  const size_t at = static_cast<size_t>(reader);
  Run(world_.About(kNetwork), [this, partition, tenure, at, round = slot->readers[at].round] {
    Slot* now = Find(partition, tenure);
    if (now != nullptr && now->readers[at].round == round) now->readers[at].active = false;
  });
}

void Instance::PlanDrain(int32_t partition, Tenure tenure, ingest::Reader reader, uint64_t round, int64_t delay_us) {
  if (world_.Is(Fault::kSlowFetch)) delay_us += world_.random.Between(0, 2 * kMinute);
  Run(delay_us, [=, this] { Drain(partition, tenure, reader, round); });
}

void Instance::Drain(int32_t partition, Tenure tenure, ingest::Reader reader, uint64_t round) {
  const TopicPartition at{kLogTopic, partition};
  Slot* slot = Find(at, tenure);
  if (slot == nullptr) return;
  Reading& reading = slot->readers[static_cast<size_t>(reader)];
  if (!reading.active || reading.round != round) return;
  ingest::Delivery& delivery = *slot->delivery;
  if (!delivery.Wants(reader)) return PlanDrain(partition, tenure, reader, round, kTick);
  const SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
  if (reading.offset == kafka::kOffsetBeginning) reading.offset = log.start();
  if (slot->lineage.from < 0) slot->lineage.from = reading.offset;
  if (reading.offset < log.start() || reading.offset > log.end()) {
    reading.active = false;
    return delivery.OnReadError(reader, absl::OutOfRangeError("not in the log"), Now());
  }
  std::vector<ingest::Record> records;
  size_t next = log.Find(reading.offset);
  const int64_t most = world_.random.Between(1, kMostRecords);
  while (static_cast<int64_t>(records.size()) < most && next < log.records().size()) {
    const StoredRecord& stored = log.records()[next++];
    ingest::Record& record = records.emplace_back();
    record.offset = stored.offset;
    record.timestamp_us = stored.stamp_us;
    record.timestamp_kind =
        world_.shape.by_broker ? aggregators::TimestampKind::kAppendTime : aggregators::TimestampKind::kCreateTime;
    record.has_key = stored.record.key.has_value();
    record.has_value = stored.record.value.has_value();
    if (stored.record.key) record.key = *stored.record.key;
    if (stored.record.value) record.value = *stored.record.value;
    record.headers = stored.headers;
  }
  if (records.empty()) {
    reading.offset = log.end();
    if (reading.told_end != log.end()) {
      reading.told_end = log.end();
      delivery.OnReadToEnd(reader, log.end(), Now());
    }
    if (!dead_) PlanDrain(partition, tenure, reader, round, world_.About(kTick));
    return;
  }
  reading.offset = records.back().offset + 1;
  size_t bytes = 0;
  for (const ingest::Record& record : records) bytes += world_.truth.BytesOf(partition, record.offset);
  most_in_one_go_ = std::max(most_in_one_go_, bytes);
  delivery.OnRecords(reader, records, Now());
  if (Crashes(CrashPoint::kRecords)) return;
  PlanWork(partition, tenure);
  PlanDrain(partition, tenure, reader, round, world_.About(kNetwork));
}

void Instance::PlanWork(int32_t partition, Tenure tenure) {
  Slot* slot = Find({kLogTopic, partition}, tenure);
  if (slot == nullptr || slot->working) return;
  slot->working = true;
  Run(world_.About(3 * kSecond), [this, partition, tenure] {
    Slot* now = Find({kLogTopic, partition}, tenure);
    if (now == nullptr) return;
    now->working = false;
    if (now->delivery->Continue(Now())) PlanWork(partition, tenure);
  });
}

void Instance::Commit(const TopicPartition& partition, Tenure tenure, uint64_t commit, const Position& position,
                      const CommitMetadata& metadata) {
  if (Crashes(CrashPoint::kCommitting)) return;
  const auto text = metadata.Encode();
  if (!text.ok()) return world_.Fail("metadata: " + std::string(text.status().message()));
  const auto answer = [this, partition, tenure, commit](absl::Status status) {
    RunOn(&commits_, world_.About(kNetwork), [=, this] {
      ToDelivery(partition, tenure, [&](ingest::Delivery& d) { d.OnCommitted(commit, status, Now()); });
    });
  };
  // What is on its way arrives, whatever becomes of the sender.
  commits_.last_us = std::max(commits_.last_us, world_.scheduler.now_us() + world_.About(kNetwork));
  world_.scheduler.At(commits_.last_us, [self = shared_from_this(), this, partition, position, text = *text, answer,
                                         member = member_, generation = generation_] {
    if (world_.Is(Fault::kCoordinatorGone) || (world_.Is(Fault::kCommitLost) && world_.random.Chance(0.8))) {
      Run(world_.About(kMinute), [answer] { answer(absl::UnavailableError("no answer of the group")); });
      return;
    }
    if (!services_.group->Commit(member, generation, partition.partition, position.offset, text)) {
      world_.Note(name_ + " may not commit " + ToString(partition));
      answer(absl::FailedPreconditionError("the group has moved on"));
      return;
    }
    world_.Note("partition " + std::to_string(partition.partition) + " committed " + ingest::ToString(position) +
                " by " + name_);
    world_.Fail([&] {
      const std::string missing = world_.truth.NotDurableBefore(partition.partition, position);
      return missing.empty() ? "" : "committed " + ingest::ToString(position) + ", but " + missing;
    }());
    if (Crashes(CrashPoint::kCommitted)) return;
    if (world_.Is(Fault::kCommitUnanswered) && world_.random.Chance(0.8)) {
      Run(world_.About(kMinute), [answer] { answer(absl::UnavailableError("no answer of the group")); });
      return;
    }
    answer(absl::OkStatus());
  });
}

void Instance::Produce(const TopicPartition& partition, Tenure tenure, uint64_t message,
                       ingest::OutgoingRecord record) {
  if (Crashes(CrashPoint::kSendingLetter)) return;
  const bool own = record.topic == kLogTopic;
  if (own) world_.Note(name_ + " writes about " + *record.key + (record.headers.size() > 1 ? " a day" : " a verdict"));
  const std::optional<Position> refused = world_.truth.RefusedByWarehouse(record);
  if (Slot* slot = Find(partition, tenure); slot != nullptr && refused) {
    size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
    for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
    slot->letters_of_refused[*refused] = bytes;
  }
  // What is on its way arrives, whatever becomes of the sender; an event of its own may take long.
  const int64_t delay_us = own && world_.random.Chance(0.1) ? world_.About(8 * kMinute) : world_.About(kNetwork);
  world_.scheduler.In(delay_us, [self = shared_from_this(), this, partition, tenure, message, refused, own,
                                 record = std::move(record), wall_us = Now().wall_us] {
    const auto answer = [&](absl::Status status) {
      Run(world_.About(kNetwork), [=, this] {
        if (Slot* slot = Find(partition, tenure); slot != nullptr && refused && status.ok())
          slot->letters_of_refused.erase(*refused);
        ToDelivery(partition, tenure, [&](ingest::Delivery& d) { d.OnProduced(message, status, Now()); });
      });
    };
    if (world_.Is(Fault::kLettersDown)) return answer(absl::UnavailableError("the topic takes nothing"));
    if (own) {
      const int64_t stamp_us = record.timestamp_ms > 0 ? record.timestamp_ms * 1000 : wall_us;
      world_.Append({record.partition, stamp_us, record.key, record.value, record.headers}, /*gap=*/0);
    } else {
      world_.Fail(world_.truth.OnLetter(record));
    }
    if (Crashes(CrashPoint::kLetterWritten)) return;
    if (world_.Is(Fault::kLettersUnanswered) && world_.random.Chance(0.7))
      return answer(absl::UnavailableError("no answer of the topic"));
    answer(absl::OkStatus());
  });
}

void Instance::Release(const TopicPartition& partition, Tenure tenure) {
  if (Slot* slot = Find(partition, tenure)) slot->released = true;
}

// ---- What is seen from outside.

void Instance::OnProblem(const TopicPartition& partition, const std::string& text) {
  world_.Note(name_ + " " + ToString(partition) + ": " + (text.empty() ? "well again" : text));
  // Retention has overtaken the rows: they stop, and it is said.
  if (text.find("retention.ms") == std::string::npos) return;
  // What one says that stood still and does not own it any more, is not about the log as it is now.
  if (!services_.group->Owns(member_, partition.partition)) return;
  if (!world_.retention_overtook.contains(partition.partition))
    return world_.Fail("rows stop for want of records that are there: " + text);
  world_.truth.Lost(partition.partition, INT64_MAX);
  world_.rows_lost.insert(partition.partition);
}

void Instance::OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard>) {
  Slot& slot = slots_[partition.partition];
  slot.lineage = {};
  slot.lineage_known = false;
  slot.restored_at.reset();
}

void Instance::OnStateLost(const TopicPartition& partition) {
  world_.Note(name_ + " lost the state of " + ToString(partition));
  Slot& slot = slots_[partition.partition];
  slot.lineage.counted_from = slot.delivery->applied().offset;
  world_.scrapes.OnStateLost(partition.partition);
}

void Instance::Scrape() {
  if (dead_ || paused_) return;
  // Once the group may have given its partitions to somebody else, it shows nothing.
  const int64_t patience_us = static_id_.empty() ? kSessionTimeout : 3 * kTick;  // another may have taken its name
  if (world_.scheduler.now_us() - contact_us_ > patience_us) return;
  // A process with its name has taken its place. It is told so with its next heartbeat; until then both show, which is
  // what a name given twice costs: nobody can compare the two, least of all if the new one has lost its counters.
  if (services_.group->Replaced(member_, static_id_)) return;
  for (const auto& [partition, slot] : slots_) {
    const auto block = slot.delivery->shard().Read();
    if (!block->positions.shown) continue;
    world_.Note(name_ + " shows partition " + std::to_string(partition) + " at " +
                std::to_string(block->positions.applied_offset) + " folded from " + std::to_string(slot.lineage.from) +
                (slot.lineage.counted_from ? " counted from " + std::to_string(*slot.lineage.counted_from) : ""));
    world_.Fail(world_.scrapes.Show(partition, name_, *block, slot.lineage, world_.TrueUs(),
                                    world_.log[static_cast<size_t>(partition)]));
  }
}

bool Instance::Settled(int32_t partition) const {
  const auto at = slots_.find(partition);
  if (dead_ || paused_ || at == slots_.end()) return false;
  const std::deque<StoredRecord>& records = world_.log[static_cast<size_t>(partition)].records();
  const int64_t end = records.empty() ? 0 : records.back().offset + 1;
  const auto block = at->second.delivery->shard().Read();
  if (!block->positions.shown || !block->positions.caught_up || block->positions.applied_offset < end) return false;
  // Nothing that it has to say is not said.
  aggregators::Shard& shard = *at->second.delivery->shared_shard();
  if (!shard.DaysToMake(1).empty() || !shard.DueVerdicts(1).empty()) return false;
  if (world_.rows_lost.contains(partition)) return true;
  const auto committed = services_.group->committed(partition);
  return at->second.delivery->acked().offset >= end && committed && committed->offset >= end;
}

std::string Instance::CheckExpected(int32_t partition, const std::string& workflow, const ExpectedModel& model) const {
  const auto at = slots_.find(partition);
  if (dead_ || at == slots_.end()) return "";
  const Slot& slot = at->second;
  const SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
  if (log.Find(slot.lineage.from) > 0) return "";  // it knows a part of the log
  const std::string where = name_ + ": partition " + std::to_string(partition) + ": " + workflow;
  std::vector<int64_t> ticks;
  std::string verdicts;
  const auto day = static_cast<int32_t>(kStartUs / (24 * 60 * kMinute));
  for (const auto& info : slot.delivery->shard().FindExpected({.date = day, .subject = workflow, .time_zone = "UTC"})) {
    ticks.push_back(info.due_us);
    verdicts += " " + std::to_string((info.due_us - kStartUs) / kMinute) + " " +
                std::string(aggregators::VerdictName(info.verdict)) + (info.final ? "," : " (not in the log),");
  }
  // An instance whose clock was set back may be far behind.
  const int64_t watermark_us = slot.delivery->shard().watermark_us();
  if (ticks.empty() && Workflows(number_)->Find(workflow).plan->MadeAt(day) < watermark_us)
    return where + " has no expected runs";
  if (ticks != model.Ticks(workflow)) return where + " holds other expected runs than the log's first";
  // From what the partition's first record is too young to know of, nothing follows.
  const int64_t known_us = log.records().front().stamp_us + 5 * kMinute;
  for (const int64_t due_us : ticks) {
    if (due_us >= known_us && due_us + kVerdictStandsAfterUs < watermark_us && !model.HasVerdict(workflow, due_us))
      return where + " has no verdict on " + std::to_string((due_us - kStartUs) / kMinute) + ":" + verdicts;
  }
  return "";
}

std::string Instance::Describe() const {
  std::string text = name_ +
                     (dead_     ? " dead"
                      : paused_ ? " paused"
                                : "") +
                     (stopping_ ? " stopping" : "") + " member " + std::to_string(member_);
  for (const auto& [partition, slot] : slots_) {
    const auto committed = services_.group->committed(partition);
    text += "\n  partition " + std::to_string(partition) + " applied " + ingest::ToString(slot.delivery->applied()) +
            " acked " + ingest::ToString(slot.delivery->acked()) + " committed " +
            (committed ? std::to_string(committed->offset) : "-") + " held " +
            std::to_string(slot.delivery->held_bytes()) + " end " +
            std::to_string(world_.log[static_cast<size_t>(partition)].end()) +
            (slot.delivery->shard().Read()->positions.shown ? " shown" : " hidden") +
            (slot.delivery->shard().Read()->positions.caught_up ? " caught up" : " behind");
  }
  return text;
}

}  // namespace runledger::simulation
