// What does the snapshot of a shard with many open runs cost?
//
// How large is it, how long does it hold the fold up, and how long does it take to restore it.

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "bench/fold_visitor.h"
#include "bench/result.h"
#include "bench/workload.h"
#include "codecs/record_decoder.h"
#include "ingest/local_snapshots.h"

namespace runledger::bench {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;
constexpr size_t kPieceBytes = 256 << 10;  // as the pipeline takes it
constexpr size_t kBatchEvents = 1'000;     // folded between two pieces
const ingest::TopicPartition kPartition{"runledger.events", 0};

double Seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Wall time and this thread's processor time of something.
struct Cost {
  double wall = 0;
  double cpu = 0;
};
template <typename Work>
Cost Measure(const Work& work) {
  const double wall = Seconds(CLOCK_MONOTONIC);
  const double cpu = Seconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return {Seconds(CLOCK_MONOTONIC) - wall, Seconds(CLOCK_THREAD_CPUTIME_ID) - cpu};
}

class Listener : public ingest::SnapshotListener {
 public:
  void OnSnapshotLoaded(const ingest::TopicPartition&, ingest::Tenure,
                        absl::StatusOr<ingest::Snapshot> loaded) override {
    loaded_.set_value(std::move(loaded));
  }
  void OnSnapshotSaved(const ingest::TopicPartition&, ingest::Tenure, uint64_t,
                       absl::StatusOr<ingest::SavedSnapshot> saved) override {
    saved_.set_value(std::move(saved));
  }
  template <typename T>
  static T Wait(std::promise<T>* promise) {
    T value = promise->get_future().get();
    *promise = {};
    return value;
  }
  std::promise<absl::StatusOr<ingest::Snapshot>> loaded_;
  std::promise<absl::StatusOr<ingest::SavedSnapshot>> saved_;
};

// What one repetition measured.
struct Result {
  Cost idle_fold;         // per event, without a snapshot under way
  Cost busy_fold;         // per event, with one; without the pieces
  double longest_ms = 0;  // wall, of one call for the snapshot
  double longest_cpu_ms = 0;
  double pieces = 0;
  double raw_bytes = 0;
  double kept_bytes = 0;
  double save_s = 0;     // from the beginning until it is durable, with the fold going on
  double load_s = 0;     // reading and decoding the file
  double restore_s = 0;  // making the shard of it
  double restore_cpu_s = 0;
};

class Bench {
 public:
  Bench(size_t open, size_t closed, std::string directory)
      : open_(open), closed_(closed), directory_(std::move(directory)), workload_(1, kStartUs) {
    shard_ = NewShard();
    FoldVisitor visitor(shard_.get());
    for (size_t i = 0; i < closed_; ++i) {
      const size_t run = workload_.Start(&event_);
      Apply(event_, &visitor);
      workload_.Finish(run, &event_);
      Apply(event_, &visitor);
    }
    for (size_t i = 0; i < open_; ++i) {
      running_.push_back(workload_.Start(&event_));
      Apply(event_, &visitor);
    }
    logger_ = std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    store_ = std::make_unique<ingest::LocalSnapshots>(
        ingest::LocalSnapshots::Options{.directory = directory_, .group = "bench"}, &listener_, logger_);
    if (const absl::Status started = store_->Start(); !started.ok()) Die(started);
  }

  Result Run() {
    Result result;
    MakeEvents();
    result.idle_fold = PerEvent(FoldAll(nullptr));
    MakeEvents();
    Save(&result);
    Load(&result);
    return result;
  }
  size_t open_runs() const { return shard_->open_runs(); }
  size_t closed_runs() const { return shard_->closed_runs(); }

 private:
  static constexpr size_t kEvents = 300'000;

  static void Die(const absl::Status& status) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::abort();
  }
  std::unique_ptr<aggregators::Shard> NewShard() const {
    aggregators::ShardOptions options;
    options.open_runs = 100'000'000;
    options.closed_runs = static_cast<uint32_t>(closed_);  // so that their number stays as it is
    return std::make_unique<aggregators::Shard>(options, std::make_shared<aggregators::JobPolicies>());
  }
  void Apply(const std::string& event, FoldVisitor* visitor) {
    shard_->BeginRecord(kStartUs, aggregators::TimestampKind::kAppendTime);
    decoder_.Decode({.value = event, .time_us = kStartUs}, visitor);
    shard_->EndRecord();
  }
  // Signs of life, ends and new runs of runs chosen at random: the number of open ones stays.
  void MakeEvents() {
    events_.clear();
    for (size_t i = 0; i < kEvents / 3; ++i) {
      workload_.Heartbeat(running_[random_() % open_], &events_.emplace_back());
      size_t& ended = running_[random_() % open_];
      workload_.Finish(ended, &events_.emplace_back());
      ended = workload_.Start(&events_.emplace_back());
    }
    next_ = 0;
  }
  static Cost PerEvent(Cost cost) { return {cost.wall / kEvents, cost.cpu / kEvents}; }
  Cost FoldBatch() {
    FoldVisitor visitor(shard_.get());
    return Measure([&] {
      for (size_t i = 0; i < kBatchEvents && next_ < events_.size(); ++i) Apply(events_[next_++], &visitor);
    });
  }
  // Folds all events; `between` is called between two batches until it returns true.
  Cost FoldAll(const std::function<bool()>& between) {
    Cost all;
    bool done = between == nullptr;
    while (next_ < events_.size() || !done) {
      if (!done) done = between();
      const Cost batch = FoldBatch();
      all.wall += batch.wall;
      all.cpu += batch.cpu;
    }
    return all;
  }

  void Save(Result* result) {
    ingest::SnapshotIdentity identity;
    identity.cluster_id = "bench";
    identity.partition = kPartition;
    identity.position = {static_cast<int64_t>(++saves_), 0};
    const auto note = [result](const Cost& cost) {
      result->longest_ms = std::max(result->longest_ms, cost.wall * 1e3);
      result->longest_cpu_ms = std::max(result->longest_cpu_ms, cost.cpu * 1e3);
    };
    open_then_ = shard_->open_runs();
    closed_then_ = shard_->closed_runs();
    const double began = Seconds(CLOCK_MONOTONIC);
    note(Measure([&] { shard_->BeginSnapshot(); }));
    store_->Begin(1, saves_, identity);
    Cost pieces;
    result->busy_fold = PerEvent(FoldAll([&] {
      std::string piece;
      bool done = false;
      note(Measure([&] {
        piece.reserve(kPieceBytes + (kPieceBytes >> 2));
        done = shard_->ContinueSnapshot(kPieceBytes, &piece);
      }));
      ++result->pieces;
      result->raw_bytes += static_cast<double>(piece.size());
      store_->Append(kPartition, 1, saves_, std::move(piece));
      if (done) store_->Finish(kPartition, 1, saves_);
      return done;
    }));
    const auto saved = Listener::Wait(&listener_.saved_);
    if (!saved.ok()) Die(saved.status());
    result->save_s = Seconds(CLOCK_MONOTONIC) - began;
    result->kept_bytes = static_cast<double>(saved->bytes);
  }

  void Load(Result* result) {
    absl::StatusOr<ingest::Snapshot> loaded = absl::UnknownError("");
    result->load_s = Measure([&] {
                       store_->Load(kPartition, 1, "bench", 0, "", {INT64_MAX, 0});
                       loaded = Listener::Wait(&listener_.loaded_);
                     }).wall;
    if (!loaded.ok()) Die(loaded.status());
    const std::unique_ptr<aggregators::Shard> restored = NewShard();
    const Cost cost = Measure([&] {
      if (const absl::Status status = restored->RestoreSnapshot(loaded->bytes); !status.ok()) Die(status);
    });
    result->restore_s = cost.wall;
    result->restore_cpu_s = cost.cpu;
    if (restored->open_runs() != open_then_ || restored->closed_runs() != closed_then_) {
      Die(absl::InternalError(std::to_string(restored->open_runs()) + " open runs and " +
                              std::to_string(restored->closed_runs()) + " closed ones came back, not " +
                              std::to_string(open_then_) + " and " + std::to_string(closed_then_)));
    }
  }

  const size_t open_;
  const size_t closed_;
  const std::string directory_;
  Workload workload_;
  std::mt19937_64 random_{2};
  std::string event_;
  std::vector<size_t> running_;
  std::vector<std::string> events_;
  size_t next_ = 0;
  uint64_t saves_ = 0;
  uint32_t open_then_ = 0;  // at the beginning of the snapshot; ids that chance made twice are one run
  uint32_t closed_then_ = 0;
  codecs::RecordDecoder decoder_{codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf};
  std::unique_ptr<aggregators::Shard> shard_;
  std::shared_ptr<spdlog::logger> logger_;
  Listener listener_;
  std::unique_ptr<ingest::LocalSnapshots> store_;
};

void Print(const char* what, const std::vector<Result>& results, double (*value)(const Result&), const char* unit) {
  std::vector<double> values;
  for (const Result& result : results) values.push_back(value(result));
  std::sort(values.begin(), values.end());
  std::printf("%-56s %10.4g %s (%.4g to %.4g)\n", what, values[values.size() / 2], unit, values.front(), values.back());
}

int Main(int argc, char** argv) {
  const size_t open = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const size_t closed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000;
  const std::string directory = argc > 3 ? argv[3] : std::filesystem::temp_directory_path() / "runledger-snapshots";
  const int repetitions = argc > 4 ? std::atoi(argv[4]) : 5;
  std::vector<Result> results;
  {
    Bench bench(open, closed, directory);
    for (int i = 0; i < repetitions; ++i) results.push_back(bench.Run());
    std::printf("%zu open runs, %zu closed ones, medians of %d (least to most)\n", bench.open_runs(),
                bench.closed_runs(), repetitions);
  }
  static const auto runs = static_cast<double>(open + closed);
  Print(
      "bytes of the state", results, [](const Result& r) { return r.raw_bytes / 1e6; }, "MB");
  Print(
      "the same a run", results, [](const Result& r) { return r.raw_bytes / runs; }, "bytes");
  Print(
      "the file (zstd)", results, [](const Result& r) { return r.kept_bytes / 1e6; }, "MB");
  Print(
      "the same a run", results, [](const Result& r) { return r.kept_bytes / runs; }, "bytes");
  Print(
      "longest pause of the fold, wall time", results, [](const Result& r) { return r.longest_ms; }, "ms");
  Print(
      "longest pause of the fold, processor time", results, [](const Result& r) { return r.longest_cpu_ms; }, "ms");
  Print(
      "fold without a snapshot, processor time an event", results,
      [](const Result& r) { return r.idle_fold.cpu * 1e9; }, "ns");
  Print(
      "fold while one is written, pieces not counted", results, [](const Result& r) { return r.busy_fold.cpu * 1e9; },
      "ns");
  Print(
      "from the beginning until the file is durable", results, [](const Result& r) { return r.save_s; }, "s");
  Print(
      "reading and decoding the file", results, [](const Result& r) { return r.load_s; }, "s");
  Print(
      "making the shard of it", results, [](const Result& r) { return r.restore_s; }, "s");
  Print(
      "making the shard of it, processor time", results, [](const Result& r) { return r.restore_cpu_s; }, "s");
  Print(
      "both: restoring", results, [](const Result& r) { return r.load_s + r.restore_s; }, "s");
  std::vector<double> pause_ms, pause_cpu_ms, restore_s;
  for (const Result& result : results) {
    pause_ms.push_back(result.longest_ms);
    pause_cpu_ms.push_back(result.longest_cpu_ms);
    restore_s.push_back(result.load_s + result.restore_s);
  }
  const std::string name = closed < open ? "snapshot_restore" : "snapshot_restore_closed";
  Record(name + ".pause_ms", Median(pause_ms));
  Record(name + ".pause_cpu_ms", Median(pause_cpu_ms));
  Record(name + ".restore_s", Median(restore_s));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) { return runledger::bench::Main(argc, argv); }
