#include "simulation/simulation.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "codecs/hash.h"
#include "runledger/v1/event.pb.h"
#include "simulation/expected_model.h"
#include "simulation/group.h"
#include "simulation/instance.h"
#include "simulation/shelf.h"
#include "simulation/warehouse.h"
#include "simulation/world.h"
#include "tools/generate/generate.h"

namespace runledger::simulation {
namespace {

constexpr int64_t kSpan = 100 * kMinute;          // of events and faults
constexpr int64_t kPatience = 12 * 60 * kMinute;  // until everything must be settled, with nothing wrong any more
constexpr int kFaultsASeed = 9;

std::optional<Shape::Warehouse> g_only;  // set before the first seed

std::unique_ptr<SharedWarehouse> MakeWarehouse(World* world) {
  switch (world->shape.warehouse) {
    case Shape::Warehouse::kSqlite:
      return MakeSqliteWarehouse(world);
    case Shape::Warehouse::kStreams:
      return MakeStreamWarehouse(world);
    case Shape::Warehouse::kBigQuery:
#ifdef RUNLEDGER_BIGQUERY
      return MakeBigQueryWarehouse(world);
#else
      break;
#endif
  }
  std::abort();
}

Shape ShapeOf(uint64_t seed) {
  tools::Random random(seed ^ 0x5EEDull);
  Shape shape;
  shape.seed = seed;
  shape.partitions = static_cast<int32_t>(random.Between(2, 4));
  shape.instances = static_cast<int>(random.Between(2, 4));
  shape.events = random.Between(1'350, 1'500);
  shape.span_us = kSpan;
  shape.by_broker = random.Chance(0.7);
  shape.warehouse = random.Chance(0.5) ? Shape::Warehouse::kSqlite : Shape::Warehouse::kStreams;
#ifdef RUNLEDGER_BIGQUERY
  if (shape.warehouse == Shape::Warehouse::kStreams && seed % 2 == 0) shape.warehouse = Shape::Warehouse::kBigQuery;
#endif
  if (g_only) shape.warehouse = *g_only;
  const double store = random.Unit();
  shape.store = store < 0.5 ? Shape::Store::kLocal : store < 0.9 ? Shape::Store::kTopic : Shape::Store::kNone;
  shape.eager = random.Chance(0.5);
  shape.static_members = random.Chance(0.4);
  shape.held_bytes = static_cast<size_t>(random.Between(2, 14)) << 10;
  return shape;
}

// The world, its instances, and the hand that makes things go wrong.
class Simulation {
 public:
  Simulation(const Shape& shape, bool trace) : world_(shape), group_(&world_), shelf_(&world_) {
    world_.trace = trace;
    warehouse_ = MakeWarehouse(&world_);
  }

  Outcome Play();

 private:
  void PlanEvents();
  void PlanWorkflows();
  void PlanFaults();
  void Strike(Fault fault, CrashPoint point, int64_t until_us);
  void Launch(int number);
  void LookAfterInstances();
  void ScrapeNow();
  void DeleteOldRecords();
  std::shared_ptr<Instance>* AnyRunning();
  std::string StaticId(int number) const { return world_.shape.static_members ? "host-" + std::to_string(number) : ""; }
  bool Settled() const;
  void CheckAll();
  std::string CheckExpected() const;

  World world_;
  Group group_;
  Shelf shelf_;
  std::unique_ptr<SharedWarehouse> warehouse_;
  std::vector<std::shared_ptr<Instance>> instances_;
  std::vector<std::shared_ptr<Instance>> ghosts_;  // stood still while another took their place
  std::map<int, int64_t> dead_since_us_;
  int64_t faults_ = 0;
};

void Simulation::PlanEvents() {
  tools::GenerateOptions options;
  options.seed = world_.shape.seed;
  options.events = world_.shape.events;
  options.jobs = 12;
  options.partitions = world_.shape.partitions;
  options.start_us = kStartUs;
  options.span_us = world_.shape.span_us;
  options.append_time = world_.shape.by_broker;
  options.bad = 0.02;
  options.refused = 0.02;
  options.framing.batch = 0.3;
  CollectingSink sink;
  tools::Ledger ledger;
  if (const absl::Status status = tools::Generate(options, sink, &ledger); !status.ok())
    return world_.Fail(std::string(status.message()));
  for (tools::GeneratedRecord& record : sink.records) {
    // Large records are what other tests are about.
    if (record.value && record.value->size() > 64 << 10) continue;
    const int64_t at_us = std::max<int64_t>(record.timestamp_us - kStartUs, 0);
    world_.scheduler.At(at_us, [this, record = std::move(record)] {
      const int32_t partition = record.partition;
      SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
      world_.Append(record, /*gap=*/world_.random.Chance(0.02) ? world_.random.Between(1, 3) : 0);
      const StoredRecord& stored = log.records().back();
      if (world_.shape.warehouse != Shape::Warehouse::kSqlite) {
        const double share = world_.Is(Fault::kBadRows) ? 0.3 : 0.01;
        for (const Position& position : world_.truth.WholeEventsOf(partition, stored.offset)) {
          if (world_.random.Chance(share)) world_.bad_rows.insert({partition, position});
        }
      }
      if (world_.random.Chance(0.01)) log.SkipAtEnd(world_.random.Between(1, 2));
    });
  }
}

// Decisions and cleanups, and expected runs that somebody else plans. They come at the time that they are of.
void Simulation::PlanWorkflows() {
  const auto send = [this](int64_t at_us, const std::string& subject, const v1::Event& event) {
    tools::GeneratedRecord record;
    record.partition = kafka::PartitionFor(kafka::Partitioner::kMurmur2, subject, world_.shape.partitions);
    record.timestamp_us = kStartUs + at_us;
    record.key = subject;
    record.value = event.SerializeAsString();
    record.headers = {{"content-type", "application/x-protobuf; messageType=runledger.v1.Event"}};
    world_.scheduler.At(at_us, [this, record = std::move(record)] { world_.Append(record, /*gap=*/0); });
  };
  for (const std::string& name : WorkflowNames()) {
    for (int64_t i = world_.random.Between(0, 12); i > 0; --i) {
      const int64_t at_us = world_.random.Between(0, world_.shape.span_us);
      v1::Event event;
      event.set_event_time_us(kStartUs + at_us);
      event.mutable_decision()->set_decision_id(name + "-" + std::to_string(i));
      event.mutable_decision()->set_workflow(name);
      event.mutable_decision()->set_action(world_.random.Chance(0.7) ? "RUN" : "SKIP");
      send(at_us, name, event);
    }
  }
  // Before the day is made, after it was, or both.
  for (int64_t i = world_.random.Between(1, 3); i > 0; --i) {
    const int64_t at_us = world_.random.Between(0, 30 * kMinute);
    v1::Event event;
    event.set_event_time_us(kStartUs + at_us);
    event.mutable_expected()->set_workflow(kPlannedByOthers);
    event.mutable_expected()->set_expected_run_time_us(kStartUs + (30 + 15 * i) * kMinute);
    event.mutable_expected()->set_expected_date(static_cast<int32_t>(kStartUs / (24 * 60 * kMinute)));
    send(at_us, kPlannedByOthers, event);
  }
  v1::Event cleanup;
  cleanup.set_event_time_us(kStartUs + 20 * kMinute);
  cleanup.mutable_cleanup()->set_cleanup_id("cleanup");
  cleanup.mutable_cleanup()->set_missing_files(R"([{"scraper_name": "s", "age_minutes": 241}])");
  send(20 * kMinute, "cleanup", cleanup);
}

void Simulation::Launch(int number) {
  auto instance =
      std::make_shared<Instance>(&world_, Services{&group_, warehouse_.get(), &shelf_}, number, StaticId(number));
  for (auto& existing : instances_) {
    if (existing->number() != number) continue;
    existing = instance;
    instance->Start();
    return;
  }
  instances_.push_back(instance);
  instance->Start();
}

std::shared_ptr<Instance>* Simulation::AnyRunning() {
  std::vector<std::shared_ptr<Instance>*> running;
  for (auto& instance : instances_) {
    if (!instance->dead() && !instance->paused()) running.push_back(&instance);
  }
  return running.empty() ? nullptr : world_.random.Of(running);
}

// Faults come in pairs with a point at which somebody is killed while they last, each pair in its turn.
void Simulation::PlanFaults() {
  for (int i = 0; i < kFaultsASeed; ++i) {
    const uint64_t turn = world_.shape.seed * kFaultsASeed + static_cast<uint64_t>(i);
    const auto fault = static_cast<Fault>(turn % kFaults);
    const auto point = static_cast<CrashPoint>((turn / kFaults) % kCrashPoints);
    const int64_t at_us = world_.random.Between(2 * kMinute, world_.shape.span_us * 9 / 10);
    // A warehouse may be away for the rest of the day.
    const bool long_away = fault == Fault::kWarehouseDown && world_.random.Chance(0.3);
    const int64_t for_us = long_away ? kSpan : world_.random.Between(2 * kMinute, 20 * kMinute);
    world_.scheduler.At(at_us, [=, this] { Strike(fault, point, at_us + for_us); });
  }
}

void Simulation::Strike(Fault fault, CrashPoint point, int64_t until_us) {
  if (world_.calm) return;
  ++faults_;
  world_.Begin(fault, until_us);
  world_.Arm(point);
  std::shared_ptr<Instance>* chosen = AnyRunning();
  // Some points have to be brought about.
  switch (point) {
    case CrashPoint::kAssigned:
    case CrashPoint::kRestoring:
    case CrashPoint::kOpening:
    case CrashPoint::kOpened:
    case CrashPoint::kRevoking:
    case CrashPoint::kReleased:
      world_.scheduler.In(world_.random.Between(kTick, 2 * kMinute), [this] {
        std::shared_ptr<Instance>* other = AnyRunning();
        if (!world_.calm && other != nullptr) (*other)->Stop();
      });
      break;
    case CrashPoint::kRowsReading:
      world_.Begin(Fault::kWarehouseDown, world_.scheduler.now_us() + 8 * kMinute);
      break;
    default:
      break;
  }
  switch (fault) {
    case Fault::kPause:
      if (chosen == nullptr) return;
      (*chosen)->Pause();
      // Of a static member a second process may be started while the first one stands still.
      if (world_.shape.static_members && world_.random.Chance(0.5)) {
        world_.scheduler.In(world_.random.Between(kTick, kSessionTimeout), [this, instance = *chosen] {
          if (instance->dead() || !instance->paused() || world_.calm) return;
          ghosts_.push_back(instance);
          Launch(instance->number());
        });
      }
      world_.scheduler.In(kSessionTimeout + world_.random.Between(-kMinute, 10 * kMinute),
                          [instance = *chosen] { instance->Resume(); });
      return;
    case Fault::kStop:
      if (chosen != nullptr) (*chosen)->Stop();
      return;
    case Fault::kJoin:
      Launch(static_cast<int>(instances_.size()));
      return;
    case Fault::kSnapshotTorn:
      return shelf_.Tear();
    case Fault::kSnapshotMissing:
      return shelf_.Lose();
    case Fault::kSnapshotForeign:
      return shelf_.Swap();
    case Fault::kSnapshotNewer:
      return shelf_.Outdate();
    case Fault::kRetention:
      return DeleteOldRecords();
    case Fault::kClockStep: {
      if (chosen == nullptr) return;
      int64_t by_us = world_.random.Between(kMinute, int64_t{2} * 24 * 60 * kMinute);
      if (world_.random.Chance(0.5)) by_us = -by_us;
      (*chosen)->StepClock(by_us);
      if (world_.random.Chance(0.6))
        world_.scheduler.At(until_us, [instance = *chosen, by_us] { instance->StepClock(-by_us); });
      return;
    }
    default:
      return;  // whatever it concerns asks World::Is
  }
}

void Simulation::DeleteOldRecords() {
  const auto partition = static_cast<int32_t>(world_.random.Between(0, world_.shape.partitions - 1));
  SimulatedPartition& log = world_.log[static_cast<size_t>(partition)];
  const auto committed = group_.committed(partition);
  const int64_t safe = committed ? committed->offset : log.start();
  const bool too_much = world_.random.Chance(0.1);
  const bool all_that_is_safe = !too_much && world_.random.Chance(0.4);
  const int64_t start =
      all_that_is_safe ? std::max(safe, log.start()) : world_.random.Between(log.start(), too_much ? log.end() : safe);
  if (start > safe) world_.retention_overtook.insert(partition);
  world_.Note("partition " + std::to_string(partition) + " begins at " + std::to_string(start) + " now");
  log.DeleteBefore(start);
}

// Somebody starts again what has died.
void Simulation::LookAfterInstances() {
  for (const auto& instance : instances_) {
    if (!instance->dead()) continue;
    int64_t& since_us = dead_since_us_[instance->number()];
    if (since_us == 0) since_us = world_.scheduler.now_us();
    if (world_.calm || world_.scheduler.now_us() - since_us > world_.random.Between(0, 8 * kMinute)) {
      since_us = 0;
      Launch(instance->number());
      break;  // the list has changed
    }
  }
  world_.scheduler.In(kTick, [this] { LookAfterInstances(); });
}

void Simulation::ScrapeNow() {
  for (const auto& instance : instances_) instance->Scrape();
  for (const auto& ghost : ghosts_) ghost->Scrape();
  world_.scheduler.In(world_.random.Between(kTick, 10 * kTick), [this] { ScrapeNow(); });
}

bool Simulation::Settled() const {
  for (int32_t partition = 0; partition < world_.shape.partitions; ++partition) {
    int64_t by = 0;
    for (const auto& instance : instances_) by += instance->Settled(partition);
    for (const auto& ghost : ghosts_) by += ghost->Settled(partition);
    if (by != 1) return false;
  }
  return true;
}

void Simulation::CheckAll() {
  for (int32_t partition = 0; partition < world_.shape.partitions && world_.failure.empty(); ++partition) {
    world_.Fail(world_.truth.NotDurable(partition));
    world_.Fail(world_.scrapes.Compare(partition, world_.log[static_cast<size_t>(partition)], world_.truth,
                                       world_.shape.by_broker));
  }
  if (world_.failure.empty()) world_.Fail(warehouse_->Check(&world_));
  if (world_.failure.empty()) world_.Fail(CheckExpected());
}

// Every day was made, whole and once, and everything that can be judged was.
std::string Simulation::CheckExpected() const {
  for (const std::string& name : WorkflowNames()) {
    const int32_t partition = kafka::PartitionFor(kafka::Partitioner::kMurmur2, name, world_.shape.partitions);
    ExpectedModel model;
    for (const auto& events : world_.truth.events(partition)) model.Add(events);
    const std::vector<int64_t> ticks = model.Ticks(name);
    if (name != kPlannedByOthers && !ticks.empty() && !IsWholeDay(ticks))
      return "of " + name + " there are " + std::to_string(ticks.size()) + " expected runs, and that is no whole day";
    for (const auto& instance : instances_) {
      const std::string wrong = instance->CheckExpected(partition, name, model);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

Outcome Simulation::Play() {
  PlanEvents();
  PlanWorkflows();
  PlanFaults();
  for (int i = 0; i < world_.shape.instances; ++i) {
    world_.scheduler.At(world_.random.Between(0, 3 * kMinute), [this, i] { Launch(i); });
  }
  world_.scheduler.At(kTick, [this] { LookAfterInstances(); });
  world_.scheduler.At(kTick, [this] { ScrapeNow(); });
  std::function<void()> group_tick = [this, &group_tick] {
    group_.Tick();
    world_.scheduler.In(kTick, group_tick);
  };
  world_.scheduler.At(kTick, group_tick);

  while (world_.failure.empty() && world_.scheduler.Step(kSpan)) {
  }
  world_.EndFaults();
  for (const auto& instance : instances_) instance->Resume();
  for (const auto& ghost : ghosts_) ghost->Resume();
  int64_t look_us = kSpan + 40 * kMinute;  // the last verdict stands
  while (world_.failure.empty() && world_.scheduler.Step(kSpan + kPatience)) {
    if (world_.scheduler.now_us() < look_us) continue;
    look_us = world_.scheduler.now_us() + kMinute;
    if (Settled()) break;
  }
  if (world_.failure.empty() && !Settled()) {
    std::string text = "it does not settle";
    for (const auto& instance : instances_) text += "\n" + instance->Describe();
    world_.Fail(text);
  }
  for (const auto& instance : instances_) instance->Scrape();
  CheckAll();

  Outcome outcome;
  outcome.failure = world_.failure;
  outcome.digest = world_.digest;
  outcome.table = world_.table;
  outcome.figures.events = world_.truth.good_events() + world_.truth.bad_events();
  outcome.figures.rows = world_.truth.rows();
  outcome.figures.letters = world_.truth.letters();
  outcome.figures.scrapes = world_.scrapes.shown();
  outcome.figures.kills = world_.kills;
  outcome.figures.partitions = world_.shape.partitions;
  outcome.figures.instances = static_cast<int64_t>(instances_.size());
  outcome.figures.faults = faults_;
  return outcome;
}

}  // namespace

World::World(const Shape& shape_of)
    : shape(shape_of),
      random(shape_of.seed),
      log(static_cast<size_t>(shape_of.partitions)),
      truth(shape_of.partitions),
      scrapes(FoldBounds(), FoldPolicies(), shape_of.partitions) {}

bool World::At(CrashPoint point, Instance* instance) {
  if (instance->dead()) return true;
  if (calm || armed_.erase(point) == 0) return false;
  for (size_t fault = 0; fault < kFaults; ++fault) {
    if (IsOrWas(static_cast<Fault>(fault))) table.Count(static_cast<Fault>(fault), point);
  }
  Note(std::string("killed at ") + NameOf(point));
  instance->Kill();
  return true;
}

void World::Append(tools::GeneratedRecord record, int64_t gap) {
  const int32_t partition = record.partition;
  SimulatedPartition& to = log[static_cast<size_t>(partition)];
  const int64_t stamp_us = shape.by_broker ? TrueUs() : record.timestamp_us;
  to.Append(std::move(record), stamp_us, TrueUs(), gap);
  truth.OnAppended(partition, to.records().back());
}

void World::Note(std::string text) {
  for (size_t at = 0; !own_path.empty() && (at = text.find(own_path)) != std::string::npos;)
    text.erase(at, own_path.size());
  digest = codecs::Hash64(text, digest ^ static_cast<uint64_t>(scheduler.now_us()));
  if (trace) std::fprintf(stderr, "%9.3f %s\n", static_cast<double>(scheduler.now_us()) / 1e6, text.c_str());
}

reference::FoldOptions FoldBounds() {
  reference::FoldOptions bounds;
  bounds.horizon_us = 40 * kMinute;
  bounds.closed_runs = 40;
  bounds.clock_step_us = 10 * kMinute;
  return bounds;
}

aggregators::ShardOptions ShardBounds() {
  aggregators::ShardOptions bounds;
  bounds.horizon_us = 40 * kMinute;
  bounds.closed_runs = 40;
  bounds.clock_step_us = 10 * kMinute;
  return bounds;
}

reference::Policies FoldPolicies() {
  reference::Policies policies;
  policies.defaults.stale_after_us = 12 * kMinute;
  policies.defaults.silent_after_us = 4 * kMinute;
  policies.defaults.max_runtime_us = 25 * kMinute;
  policies.defaults.staleness_us = 30 * kMinute;
  return policies;
}

std::shared_ptr<const aggregators::JobPolicies> ShardPolicies() {
  aggregators::JobPolicy defaults;
  defaults.stale_after_us = 12 * kMinute;
  defaults.heartbeat_silent_after_us = 4 * kMinute;
  defaults.max_runtime_us = 25 * kMinute;
  defaults.staleness_threshold_us = 30 * kMinute;
  return std::make_shared<aggregators::JobPolicies>(defaults, std::vector<aggregators::JobPolicyRule>{});
}

void OnlyWarehouse(const std::string& name) {
  g_only = name == "sqlite"    ? Shape::Warehouse::kSqlite
           : name == "streams" ? Shape::Warehouse::kStreams
                               : Shape::Warehouse::kBigQuery;
}

Outcome Simulate(uint64_t seed, bool trace) {
  auto simulation = std::make_unique<Simulation>(ShapeOf(seed), trace);
  return simulation->Play();
}

}  // namespace runledger::simulation
