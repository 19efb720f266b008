// What do verdicts cost beside the fold?
//
//   bench_verdicts [jobs] [runs a day] [days]     10,000, 1,000,000 and 7 unless told otherwise
//
// Days of a platform are played under log time: runs that start, beat by beat of the clock, and end; some fail, some
// never end, some jobs have a bad day. Each piece of 10,000 events is folded by three shards in turn: one whose jobs
// have no schedule; one whose jobs have schedules and every limit that there is; and one with an expected run for each
// tick of these schedules too, whose verdicts are written, and counted when they are read back. Each publishes after
// the piece, as `serve` does at 100,000 events a second. Decoding is measured on a fourth reading that folds nothing.
//
// Processor time of this thread, day by day; the first day fills the caches and is not counted. The verdicts that came
// of it are printed, so that nobody measures a shard that judges nothing.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aggregators/orchestration/event_details.h"
#include "aggregators/shard.h"
#include "bench/fold_visitor.h"
#include "bench/result.h"
#include "bench/stopwatch.h"
#include "codecs/record_decoder.h"
#include "runledger/v1/event.pb.h"

namespace runledger::bench {
namespace {

using aggregators::JobPolicies;
using aggregators::JobPolicy;
using aggregators::JobPolicyRule;
using aggregators::kDayUs;
using aggregators::kHourUs;
using aggregators::kSecondUs;
using aggregators::Schedule;
using aggregators::Shard;

constexpr int64_t kFirstDay = 20'454;  // 2026-01-01
constexpr size_t kPiece = 10'000;      // events from one publishing to the next
constexpr int64_t kMinuteUs = 60 * kSecondUs;

// One record of the log with one event.
struct LogRecord {
  int64_t time_us = 0;
  std::string event;
};

std::string JobName(size_t job) { return "PlayerDailySummaryProcessor" + std::to_string(job); }

// 60 % daily at a minute of their own, 20 % on weekdays, 15 % hourly, 5 % every quarter of an hour.
std::string ScheduleOf(size_t job) {
  char text[64];
  const auto hour = static_cast<int>(job / 60 % 24), minute = static_cast<int>(job % 60);
  const size_t kind = job % 20;
  if (kind == 0) return "every 15m";
  if (kind < 4) {
    std::snprintf(text, sizeof text, "hourly at :%02d", minute);
  } else {
    std::snprintf(text, sizeof text, "%s at %02d:%02d", kind < 8 ? "weekdays" : "daily", hour, minute);
  }
  return text;
}

std::shared_ptr<const JobPolicies> Policies(size_t jobs, bool scheduled) {
  std::vector<JobPolicyRule> rules;
  for (size_t job = 0; job < jobs; ++job) {
    JobPolicy policy;
    if (scheduled) {
      auto schedule = Schedule::Parse({.text = ScheduleOf(job), .time_zone = "America/New_York"});
      if (!schedule.ok()) std::abort();
      policy.time_zone = schedule->zone();
      policy.schedule = *std::move(schedule);
      policy.max_runtime_us = 3 * kHourUs;
      policy.start_grace_us = kHourUs;
      policy.long_running_factor = 4;
      policy.max_concurrent = 20;
      policy.flapping_changes = 6;
    }
    rules.push_back({JobName(job), std::move(policy)});
  }
  return std::make_shared<const JobPolicies>(JobPolicy(), std::move(rules));
}

// The platform's days, piece by piece, in the order of the log.
class Platform {
 public:
  Platform(size_t jobs, size_t runs_a_day) : jobs_(jobs), step_us_(kDayUs / static_cast<int64_t>(runs_a_day)) {}

  // At most kPiece events; fewer at the end of a day.
  void Make(std::vector<LogRecord>* piece) {
    piece->clear();
    const int64_t day = now_us_ / kDayUs;
    while (piece->size() + 2 <= kPiece && now_us_ / kDayUs == day) {
      now_us_ += step_us_;
      Start(piece);
      // So that about as many are open all the time.
      if (open_.size() > jobs_ * 2) End(random_() % open_.size(), piece);
    }
  }
  bool day_is_over() const { return now_us_ % kDayUs < step_us_; }
  int64_t now_us() const { return now_us_; }

 private:
  struct Run {
    size_t job;
    int64_t started_us;
    uint32_t hex;
  };
  void Start(std::vector<LogRecord>* piece) {
    const size_t job = random_() % jobs_;
    // A hundredth of the jobs have a day on which nothing of them runs.
    if ((job * 31 + static_cast<size_t>(now_us_ / kDayUs)) % 100 == 0) return;
    open_.push_back({job, now_us_, static_cast<uint32_t>(random_())});
    Say(open_.back(), v1::RUNNING, piece);
  }
  void End(size_t at, std::vector<LogRecord>* piece) {
    const uint64_t dice = random_() % 1000;
    const Run run = open_[at];
    open_[at] = open_.back();
    open_.pop_back();
    if (dice < 1) return;  // never ends
    // A job in fifty fails on this day, whatever it tries.
    const bool bad_day = (run.job * 17 + static_cast<size_t>(now_us_ / kDayUs)) % 50 == 0;
    Say(run, bad_day || dice < 50 ? v1::FAILED : dice < 80 ? v1::NO_DATA : v1::SUCCESS, piece);
  }
  void Say(const Run& run, v1::Status status, std::vector<LogRecord>* piece) {
    v1::Event event;
    char id[96];
    std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(++events_ * 0x9E3779B97F4A7C15ULL));
    event.set_event_id(id);
    event.set_event_time_us(now_us_);
    v1::RunEvent& body = *event.mutable_run();
    const std::string job = JobName(run.job);
    std::snprintf(id, sizeof id, "%s_%lld_%08x", job.c_str(), static_cast<long long>(run.started_us / kSecondUs),
                  run.hex);
    body.set_job_name(job);
    body.set_run_id(id);
    body.set_status(status);
    body.set_phase("phase_3_analytics");
    body.set_data_date(static_cast<int32_t>(run.started_us / kDayUs));
    body.set_started_at_us(run.started_us);
    body.set_trigger_source("pubsub");
    body.set_trigger_message_id("12345678901234567");
    if (status != v1::RUNNING) body.set_duration_seconds(static_cast<double>(now_us_ - run.started_us) / 1e6);
    piece->push_back({now_us_, event.SerializeAsString()});
  }

  const size_t jobs_;
  const int64_t step_us_;
  std::mt19937_64 random_{7};
  int64_t now_us_ = kFirstDay * kDayUs;
  uint64_t events_ = 0;
  std::vector<Run> open_;
};

// Decodes and nothing else.
class NoVisitor : public codecs::EventVisitor {
 public:
  void OnEvent(int32_t, const codecs::Event& event) override { seen_ += event.id.size(); }
  void OnRejected(int32_t, const codecs::Rejection&, std::string_view, bool) override { std::abort(); }

 private:
  size_t seen_ = 0;
};

// Nanoseconds of processor time an event.
struct Cost {
  double fold = 0;  // with decoding
  double publish = 0;
  double all() const { return fold + publish; }
};

// A shard, and the processor time that it took.
class Folder {
 public:
  Folder(std::shared_ptr<const JobPolicies> policies, bool expects) : expects_(expects) {
    aggregators::ShardOptions options;
    options.closed_runs = 1'000'000;
    shard_ = std::make_unique<Shard>(options, policies);
    shard_->SetWholeLog();
    shard_->SetWorkflowHome([](std::string_view) { return true; }, /*configured=*/true);
    if (expects_) policies_ = std::move(policies);
  }

  // The day's expected runs, said when it begins.
  void Expect(int64_t day_us) {
    if (!expects_) return;
    std::vector<LogRecord> rows;
    for (const JobPolicyRule& rule : policies_->rules()) {
      rule.policy.schedule->ForEachTick(day_us, day_us + kDayUs, [&](const Schedule::Tick& tick) {
        v1::Event event;
        event.set_event_time_us(day_us);
        event.mutable_expected()->set_job_name(rule.pattern);
        event.mutable_expected()->set_expected_run_time_us(tick.time_us);
        rows.push_back({day_us, event.SerializeAsString()});
        return true;
      });
    }
    expected_ += rows.size();
    Fold(rows);
  }
  void Fold(const std::vector<LogRecord>& piece) {
    const Stopwatch folding(CLOCK_THREAD_CPUTIME_ID);
    FoldVisitor visitor(shard_.get());
    Read(piece, &visitor, shard_.get());
    folding_s_ += folding.cpu_seconds();
  }
  void Publish(int64_t now_us) {
    const Stopwatch publishing(CLOCK_THREAD_CPUTIME_ID);
    shard_->AdvanceWatermark(now_us);
    shard_->Publish({.applied_offset = now_us, .shown = true});
    std::vector<LogRecord> read_back;
    for (const auto& verdict : shard_->DueVerdicts(expects_ ? 1'000 : 64))
      read_back.push_back({now_us, aggregators::EncodeVerdict(verdict)});
    verdicts_ += read_back.size();
    publishing_s_ += publishing.cpu_seconds();
    Fold(read_back);
  }
  size_t expected() const { return expected_; }
  // Since the last time.
  Cost TakeCost(size_t events) {
    const double ns = 1e9 / static_cast<double>(events);
    return {std::exchange(folding_s_, 0) * ns, std::exchange(publishing_s_, 0) * ns};
  }

  void Say() const {
    const auto block = shard_->Read();
    uint64_t stale = 0, timed_out = 0, missing_jobs = 0, missing = 0, long_running = 0, concurrent = 0, flapping = 0;
    for (const aggregators::JobBlock& job : block->jobs) {
      stale += job.stale;
      timed_out += job.timed_out;
      missing += static_cast<uint64_t>(std::max(job.missing_dates, 0));
      missing_jobs += job.missing_dates > 0;
      long_running += job.long_running > 0;
      concurrent += job.concurrent > 0;
      flapping += job.flapping > 0;
    }
    std::printf(
        "  %llu stale, %llu timed out, %llu dates missing of %llu jobs, long running %llu, concurrent %llu, "
        "flapping %llu",
        static_cast<unsigned long long>(stale), static_cast<unsigned long long>(timed_out),
        static_cast<unsigned long long>(missing), static_cast<unsigned long long>(missing_jobs),
        static_cast<unsigned long long>(long_running), static_cast<unsigned long long>(concurrent),
        static_cast<unsigned long long>(flapping));
    if (expects_) {
      std::array<uint64_t, aggregators::kFinalVerdicts.size()> counts{};
      for (const aggregators::WorkflowBlock& one : block->orchestration.workflows) {
        for (size_t i = 0; i < counts.size(); ++i) counts[i] += one.verdicts[i];
      }
      std::printf("; %zu expected runs, %zu verdicts written, counted:", expected_, verdicts_);
      for (const auto verdict : aggregators::kFinalVerdicts) {
        std::printf(" %s %llu", std::string(aggregators::VerdictName(verdict)).c_str(),
                    static_cast<unsigned long long>(counts[static_cast<size_t>(verdict)]));
      }
    }
    std::printf("\n");
  }

  // A few at a time are decoded ahead, as delivery does.
  static void Read(const std::vector<LogRecord>& piece, codecs::EventVisitor* visitor, Shard* shard) {
    static codecs::RecordDecoder decoder{codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf};
    constexpr size_t kAhead = codecs::RecordDecoder::kAhead;
    std::array<codecs::EncodedRecord, kAhead> records;
    for (size_t at = 0; at < piece.size(); at += kAhead) {
      const size_t count = std::min(kAhead, piece.size() - at);
      for (size_t i = 0; i < count; ++i) records[i] = {.value = piece[at + i].event, .time_us = piece[at + i].time_us};
      decoder.LookAhead({records.data(), count}, visitor);
      for (size_t i = 0; i < count; ++i) {
        if (shard != nullptr) shard->BeginRecord(records[i].time_us, aggregators::TimestampKind::kCreateTime);
        decoder.Decode(records[i], visitor);
        if (shard != nullptr) shard->EndRecord();
      }
    }
  }

 private:
  const bool expects_;
  std::shared_ptr<const JobPolicies> policies_;
  std::unique_ptr<Shard> shard_;
  double folding_s_ = 0, publishing_s_ = 0;
  size_t expected_ = 0, verdicts_ = 0;
};

int Main(size_t jobs, size_t runs_a_day, int days) {
  Platform platform(jobs, runs_a_day);
  Folder bare(Policies(jobs, false), false), judging(Policies(jobs, true), false),
      expecting(Policies(jobs, true), true);
  std::vector<double> of_fold_alone, of_fold, expected_of_fold, expected_us;
  std::vector<LogRecord> piece;
  std::printf(
      "ns an event          |  no schedules            |  schedules and limits   |  and expected runs\n"
      "day    events  decode |   fold  publish          |   fold  publish   cost  |   fold  publish   cost\n");
  for (int day = 0; day <= days; ++day) {
    size_t events = 0;
    double decode_s = 0;
    const size_t expected_before = expecting.expected();
    expecting.Expect(platform.now_us());
    do {
      platform.Make(&piece);
      events += piece.size();
      const Stopwatch decoding(CLOCK_THREAD_CPUTIME_ID);
      NoVisitor nothing;
      Folder::Read(piece, &nothing, nullptr);
      decode_s += decoding.cpu_seconds();
      // In turn, so that none always comes first.
      for (size_t i = 0; i < 3; ++i) {
        Folder* const folder = std::array{&bare, &judging, &expecting}[(i + events) % 3];
        folder->Fold(piece);
        folder->Publish(platform.now_us());
      }
    } while (!platform.day_is_over());
    const double decode = decode_s * 1e9 / static_cast<double>(events);
    const Cost without = bare.TakeCost(events), with = judging.TakeCost(events), expected = expecting.TakeCost(events);
    const double fold = without.all() - decode;
    const auto percent = [&](double more) { return 100 * more / fold; };
    std::printf("%-3d %9zu %7.0f | %6.0f %8.0f          | %6.0f %8.0f %5.1f %% | %6.0f %8.0f %5.0f %%\n", day, events,
                decode, without.fold - decode, without.publish, with.fold - decode, with.publish,
                percent(with.all() - without.all()), expected.fold - decode, expected.publish,
                percent(expected.all() - with.all()));
    std::fflush(stdout);
    if (day == 0) continue;
    of_fold.push_back(percent(with.all() - without.all()));
    of_fold_alone.push_back(100 * (with.all() - without.all()) / (without.fold - decode));
    expected_of_fold.push_back(percent(expected.all() - with.all()));
    expected_us.push_back((expected.all() - with.all()) * static_cast<double>(events) / 1e3 /
                          static_cast<double>(expecting.expected() - expected_before));
  }
  std::printf("no schedules:\n");
  bare.Say();
  std::printf("schedules and limits:\n");
  judging.Say();
  std::printf("and expected runs:\n");
  expecting.Say();
  std::printf(
      "medians: schedules and limits cost %.1f %% of fold and publishing, %.1f %% of the fold alone; expected runs "
      "%.0f %% of fold and publishing, %.1f us each, their row and their verdict folded too\n",
      Median(of_fold), Median(of_fold_alone), Median(expected_of_fold), Median(expected_us));
  Record("verdicts.percent", Median(of_fold));
  Record("verdicts.of_fold_alone_percent", Median(of_fold_alone));
  Record("verdicts.expected_percent", Median(expected_of_fold));
  Record("verdicts.expected_us", Median(expected_us));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  return runledger::bench::Main(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000,
                                argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000,
                                argc > 3 ? std::atoi(argv[3]) : 7);
}
