#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codecs/row.h"
#include "ingest/anchored_clock.h"
#include "ingest/delivery.h"
#include "ingest/snapshot_file.h"
#include "simulation/group.h"
#include "simulation/shelf.h"
#include "simulation/warehouse.h"
#include "simulation/world.h"

namespace runledger::simulation {

// What outlives instances.
struct Services {
  Group* group = nullptr;
  SharedWarehouse* warehouse = nullptr;
  Shelf* shelf = nullptr;
};

// One process: what Pipeline and its threads do around deliveries, in simulated time. The deliveries are the real ones.
class Instance : public std::enable_shared_from_this<Instance>,
                 private ingest::Log,
                 private ingest::RowSink,
                 private ingest::RowSinkListener,
                 private ingest::SnapshotStore,
                 private ingest::DeliveryListener {
 public:
  // `number`: of the host; a process that follows on the same host finds its disk.
  Instance(World* world, Services services, int number, std::string static_id);
  ~Instance() override;

  void Start();
  // kill -9. Safe from within a delivery's request.
  void Kill();
  // SIGTERM.
  void Stop();
  // SIGSTOP and SIGCONT.
  void Pause();
  void Resume();
  void StepClock(int64_t by_us) { wall_step_us_ += by_us; }

  bool dead() const { return dead_; }
  bool paused() const { return paused_; }
  int number() const { return number_; }
  const std::string& name() const { return name_; }

  // From the group; for a member that this process is not any more it is not heard.
  void FromGroup(Group::MemberId member, std::function<void(Instance&)> what);
  void Assigned(Group::MemberId member, const std::vector<int32_t>& partitions, int64_t generation);
  void Revoke(Group::MemberId member, const std::vector<int32_t>& partitions);

  // What /metrics answers now.
  void Scrape();
  // What its state says of a workflow is what the log says; empty: it is, or it does not own the partition.
  std::string CheckExpected(int32_t partition, const std::string& workflow, const ExpectedModel& model) const;
  // Shows this partition, having read and committed all of it.
  bool Settled(int32_t partition) const;
  std::string Describe() const;

 private:
  struct Reading {
    bool active = false;
    int64_t offset = 0;
    uint64_t round = 0;
    int64_t told_end = -1;
  };
  struct Slot {
    std::unique_ptr<ingest::Delivery> delivery;
    Tenure tenure = 0;
    std::array<Reading, 2> readers;
    Lineage lineage;
    bool lineage_known = false;
    std::optional<Position> restored_at;
    Lineage restored;
    bool released = false;
    bool working = false;
    // Bytes of dead letters, not acknowledged, of rows that the warehouse has refused: they come beside their rows.
    std::map<Position, size_t> letters_of_refused;
  };
  struct Saving {
    std::unique_ptr<ingest::SnapshotEncoder> encoder;
    std::string bytes;
    Position position;
    Lineage lineage;
  };
  // What is sent on it arrives in order.
  struct Channel {
    int64_t last_us = 0;
  };

  ingest::Moment Now() const;
  void Run(int64_t delay_us, std::function<void()> what);
  void RunOn(Channel* channel, int64_t delay_us, std::function<void()> what);
  void ToDelivery(const TopicPartition& partition, Tenure tenure, std::function<void(ingest::Delivery&)> what);
  // The session is code of this process; else it stands for the server, which goes on.
  bool SessionDiesWithIt() const { return world_.shape.warehouse != Shape::Warehouse::kStreams; }
  bool Crashes(CrashPoint point) { return dead_ || world_.At(point, this); }
  Slot* Find(const TopicPartition& partition, Tenure tenure);

  void Tick();
  void AskEnds();
  void Join();
  void Lost();
  void Take(int32_t partition);
  void WaitForRelease(std::vector<int32_t> partitions, int64_t deadline_us, std::function<void()> then);
  void PlanDrain(int32_t partition, Tenure tenure, ingest::Reader reader, uint64_t round, int64_t delay_us);
  void Drain(int32_t partition, Tenure tenure, ingest::Reader reader, uint64_t round);
  void PlanWork(int32_t partition, Tenure tenure);
  void Ask(Request request, CrashPoint point);
  void ProcessRequests();

  // Log.
  void StartReading(const TopicPartition& partition, Tenure tenure, ingest::Reader reader, int64_t offset) override;
  void StopReading(const TopicPartition& partition, Tenure tenure, ingest::Reader reader) override;
  void Commit(const TopicPartition& partition, Tenure tenure, uint64_t commit, const Position& position,
              const CommitMetadata& metadata) override;
  void Produce(const TopicPartition& on_behalf_of, Tenure tenure, uint64_t message,
               ingest::OutgoingRecord record) override;
  void Release(const TopicPartition& partition, Tenure tenure) override;
  // RowSink.
  void Open(const TopicPartition& partition, Tenure tenure, const Position& committed,
            const CommitMetadata& metadata) override;
  void Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override;
  void Close(const TopicPartition& partition, Tenure tenure) override;
  // RowSinkListener: what the session did just now.
  void OnSinkOpened(const TopicPartition& partition, Tenure tenure, ingest::SinkOpened opened) override;
  void OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission,
                   ingest::SubmitResult result) override;
  // SnapshotStore.
  bool keeps() const override { return world_.shape.store != Shape::Store::kNone; }
  void Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id, int64_t log_epoch,
            const std::string& pointer, const Position& before) override;
  void Begin(Tenure tenure, uint64_t save, const ingest::SnapshotIdentity& identity) override;
  void Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) override;
  void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) override;
  void Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) override;
  void Committed(const TopicPartition& partition, Tenure tenure, const std::string& pointer) override;
  // DeliveryListener.
  void OnProblem(const TopicPartition& partition, const std::string& text) override;
  void OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard> shard) override;
  void OnStateLost(const TopicPartition& partition) override;
  void OnBrokerTime(const TopicPartition& partition, const ingest::BrokerTime& told) override {
    clock_.OnBrokerTime(partition, told);
  }

  World& world_;
  const Services services_;
  const int number_;
  const std::string static_id_;
  const std::string name_;
  const codecs::RowEncoder encoder_;
  std::unique_ptr<WarehouseSession> session_;

  bool dead_ = false;
  bool paused_ = false;
  bool stopping_ = false;
  std::deque<std::function<void()>> backlog_;  // of what came while it stood still
  int64_t wall_step_us_ = 0;
  ingest::AnchoredClock clock_{kClockStep};

  Group::MemberId member_ = 0;
  int64_t generation_ = 0;
  bool waiting_ = false;  // the group's thread waits for committed offsets, and hears nothing else
  std::deque<std::pair<Group::MemberId, std::function<void(Instance&)>>> unheard_;
  int64_t contact_us_ = 0;  // the group answered a question that was asked then
  std::map<int32_t, Slot> slots_;
  Tenure next_tenure_ = 1;
  std::map<int32_t, std::pair<Tenure, Saving>> saving_;

  std::vector<Request> requests_;  // not carried out
  bool processing_ = false;
  std::vector<std::function<void()>> answers_;  // of the group being processed
  std::map<std::pair<Tenure, uint64_t>, std::shared_ptr<const ingest::RowBatch>> submitted_;
  size_t most_in_one_go_ = 0;  // bytes that one call of a delivery may have added to what it holds
  Channel commits_, opens_and_rows_, answers_channel_, letters_, store_;
};

}  // namespace runledger::simulation
