#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingest/delivery.h"
#include "simulation/faults.h"
#include "simulation/scheduler.h"
#include "simulation/scrapes.h"
#include "simulation/simulated_log.h"
#include "simulation/truth.h"
#include "tools/generate/random.h"

namespace runledger::simulation {

using ingest::CommitMetadata;
using ingest::Tenure;
using ingest::TopicPartition;

inline constexpr char kLogTopic[] = "runledger.events";
inline constexpr char kCluster[] = "simulated";
inline constexpr int64_t kStartUs = 1'768'176'000'000'000;  // true time of day at which the simulation begins

// Times of the simulated world, large so that hours of a platform's life take a few thousand steps.
inline constexpr int64_t kTick = 10 * kSecond;
inline constexpr int64_t kSessionTimeout = 4 * kMinute;
inline constexpr int64_t kRevokeTimeout = 2 * kMinute;
inline constexpr int64_t kClockStep = kMinute;
inline constexpr int64_t kNetwork = 2 * kSecond;  // about so long takes a message

// What a seed chooses.
struct Shape {
  uint64_t seed = 0;
  int32_t partitions = 2;
  int instances = 2;
  int64_t events = 1'000;
  int64_t span_us = 0;  // during which events are produced and faults happen
  bool by_broker = true;
  enum class Warehouse { kSqlite, kStreams, kBigQuery } warehouse = Warehouse::kSqlite;
  enum class Store { kLocal, kTopic, kNone } store = Store::kLocal;
  bool eager = false;
  bool static_members = false;
  size_t held_bytes = 0;
};

class ExpectedModel;
class Group;
class Instance;

// One simulated world: its log, its clock, and what is wrong with it at the moment. Everything in it that is random
// comes from one generator, so a seed is one course of events. One thread.
class World {
 public:
  explicit World(const Shape& shape_);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int64_t TrueUs() const { return kStartUs + scheduler.now_us(); }
  // A pause of about so long.
  int64_t About(int64_t us) { return us / 2 + random.Between(0, us); }

  // A fault is there until `until_us`. Afterwards it still counts for a while as what a kill followed on.
  void Begin(Fault fault, int64_t until_us) {
    until_[fault] = std::max(until_[fault], until_us);
    Note(std::string("fault ") + NameOf(fault));
  }
  bool Is(Fault fault) const {
    const auto at = until_.find(fault);
    return at != until_.end() && scheduler.now_us() < at->second;
  }
  bool IsOrWas(Fault fault) const {
    const auto at = until_.find(fault);
    return at != until_.end() && scheduler.now_us() < at->second + 10 * kMinute;
  }
  void EndFaults() {
    until_.clear();
    armed_.clear();
    calm = true;
  }

  // The next instance that comes by the point is killed there.
  void Arm(CrashPoint point) { armed_.insert(point); }
  // True: the instance was killed at this point just now.
  bool At(CrashPoint point, Instance* instance);

  // What is against the promises: the first is kept, and ends the run.
  void Fail(const std::string& text) {
    if (failure.empty() && !text.empty()) failure = text;
    if (!text.empty()) Note("FAILED: " + text);
  }
  // The broker has a record: it is in the log, and the reference reads it. `gap`: see SimulatedPartition::Append.
  void Append(tools::GeneratedRecord record, int64_t gap);
  // A line of the course of events: into the digest, and out if it is to be seen.
  void Note(std::string text);

  const Shape shape;
  std::string own_path;  // of this process: not part of the course of events
  tools::Random random;
  Scheduler scheduler;
  std::vector<SimulatedPartition> log;
  Truth truth;
  Scrapes scrapes;
  FaultTable table;
  std::string failure;
  uint64_t digest = 0;
  bool trace = false;
  bool calm = false;       // nothing goes wrong any more
  int64_t generation = 1;  // the group's
  int64_t kills = 0;
  std::set<std::pair<int32_t, Position>> bad_rows;  // rows that a warehouse of streams refuses
  std::set<Fault> faults_seen;
  std::set<int32_t> retention_overtook;  // partitions of which records went before their rows were written
  std::set<int32_t> rows_lost;  // partitions in which retention overtook the commit: their rows have stopped for good

 private:
  std::map<Fault, int64_t> until_;
  std::set<CrashPoint> armed_;
};

reference::FoldOptions FoldBounds();
aggregators::ShardOptions ShardBounds();
reference::Policies FoldPolicies();
std::shared_ptr<const aggregators::JobPolicies> ShardPolicies();

}  // namespace runledger::simulation
