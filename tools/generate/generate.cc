#include "tools/generate/generate.h"

#include <algorithm>
#include <chrono>
#include <queue>
#include <string>
#include <thread>

#include "tools/generate/catalogue.h"
#include "tools/generate/packer.h"
#include "tools/generate/plan.h"
#include "tools/generate/random.h"

namespace runledger::tools {
namespace {

using Clock = std::chrono::steady_clock;

// Events of a run may be sent so much later than they happened, retries and all.
constexpr int64_t kLongestDelayUs = int64_t{4} * 3600 * 1'000'000;
constexpr int kAgeEvery = 32;  // events between two looks at records that linger

absl::Status Check(const GenerateOptions& options) {
  const auto bad = [](const std::string& text) { return absl::InvalidArgumentError("generate: " + text); };
  if (options.events < 1) return bad("events must be at least 1");
  if (options.jobs < 1 || options.jobs > 100'000) return bad("jobs must be 1 to 100000");
  if (options.partitions < 1 || options.partitions > 10'000) return bad("partitions must be 1 to 10000");
  if (options.partitioner == kafka::Partitioner::kNone) return bad("partitioner must be murmur2 or crc32");
  if (options.span_us < 60'000'000) return bad("the span must be at least a minute");
  if (options.start_us < 0) return bad("the start must not be before 1970");
  if (options.rate < 0) return bad("the rate must not be below 0");
  struct Share {
    const char* name;
    double value;
  };
  const FramingMix& mix = options.framing;
  const Share shares[] = {{"bad", options.bad},
                          {"refused", options.refused},
                          {"duplicates", options.duplicates},
                          {"disorder", options.disorder},
                          {"late", options.late},
                          {"other_bodies", options.other_bodies},
                          {"backfill", options.backfill},
                          {"crashes", options.crashes},
                          {"corrections", options.corrections},
                          {"retries", options.retries},
                          {"framing protobuf", mix.protobuf},
                          {"framing batch", mix.batch},
                          {"framing json", mix.json},
                          {"framing json_array", mix.json_array}};
  for (const Share& share : shares) {
    if (!(share.value >= 0 && share.value <= 1)) return bad(std::string(share.name) + " must be a share from 0 to 1");
  }
  if (mix.protobuf + mix.batch + mix.json + mix.json_array <= 0) return bad("no framing has a share");
  if (options.bad + options.other_bodies > 1) return bad("bad and other_bodies add up to more than 1");
  return absl::OkStatus();
}

// Waits until the n-th event may be sent.
class Pace {
 public:
  explicit Pace(double rate) : rate_(rate), began_(Clock::now()) {}

  void Wait(int64_t sent) const {
    if (rate_ <= 0) return;
    const auto due = began_ + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(static_cast<double>(sent) / rate_));
    if (due - Clock::now() > std::chrono::milliseconds(1)) std::this_thread::sleep_until(due);
  }

 private:
  const double rate_;
  const Clock::time_point began_;
};

struct Queued {
  int64_t at_us;
  uint64_t number;  // the order of planning breaks ties
  bool bad;
  PlannedEvent planned;
};
struct Later {
  bool operator()(const Queued& a, const Queued& b) const {
    return a.at_us != b.at_us ? a.at_us > b.at_us : a.number > b.number;
  }
};

class Generator {
 public:
  Generator(const GenerateOptions& options, Sink* sink, Ledger* ledger)
      : options_(options),
        random_(options.seed),
        catalogue_(options, &random_),
        planner_(options, catalogue_, &random_),
        packer_(options, LingerUs(options), &random_, sink, ledger),
        ledger_(*ledger),
        pace_(options.rate) {}

  absl::Status Run() {
    while (planned_ < options_.events || !queue_.empty()) {
      // What begins next begins as far into the span as events have been planned.
      const double done = static_cast<double>(planned_) / static_cast<double>(options_.events);
      const int64_t next_us = options_.start_us + static_cast<int64_t>(static_cast<double>(options_.span_us) * done);
      if (planned_ < options_.events && (queue_.empty() || queue_.top().at_us > next_us)) {
        Plan(next_us);
        continue;
      }
      if (absl::Status status = Send(); !status.ok()) return status;
    }
    if (absl::Status status = packer_.Flush(); !status.ok()) return status;
    for (const JobProfile& job : catalogue_.jobs()) {
      const auto found = ledger_.jobs.find(job.name);
      if (found != ledger_.jobs.end()) found->second.partition = job.partition;
    }
    return absl::OkStatus();
  }

 private:
  // A second of the time in which events are really sent; without a rate there is none, and records fill up.
  static int64_t LingerUs(const GenerateOptions& options) {
    if (options.rate <= 0) return 0;
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(options.span_us) * options.rate /
                                                     static_cast<double>(options.events)));
  }

  void Plan(int64_t now_us) {
    const auto limit = static_cast<size_t>(options_.events - planned_);
    // Shares are kept exactly, by what is behind its share so far.
    const auto done = static_cast<double>(planned_ + 1);
    if (static_cast<double>(bad_ + 1) <= options_.bad * done) {
      ++bad_;
      return Queue(planner_.PlanHistory(now_us, 1).front(), /*bad=*/true);
    }
    if (static_cast<double>(others_ + 1) <= options_.other_bodies * done) {
      ++others_;
      return Queue(planner_.PlanOther(now_us), /*bad=*/false);
    }
    const bool history = random_.Chance(options_.backfill);
    for (PlannedEvent& event : history ? planner_.PlanHistory(now_us, limit) : planner_.PlanRun(now_us, limit)) {
      Queue(std::move(event), /*bad=*/false);
    }
  }

  void Queue(PlannedEvent planned, bool bad) {
    ++planned_;
    const int64_t at_us = planned.send_at_us;
    queue_.push({at_us, number_++, bad, std::move(planned)});
  }

  absl::Status Send() {
    // The queue gives its top only to look at, but it is about to go.
    Queued next = std::move(const_cast<Queued&>(queue_.top()));
    queue_.pop();
    pace_.Wait(sent_);
    ++sent_;
    absl::Status status = next.bad ? packer_.AddBad(next.planned) : packer_.Add(next.planned);
    if (status.ok() && sent_ % kAgeEvery == 0) status = packer_.Age(next.at_us);
    return status;
  }

  const GenerateOptions& options_;
  Random random_;
  const JobCatalogue catalogue_;
  Planner planner_;
  Packer packer_;
  Ledger& ledger_;
  const Pace pace_;
  std::priority_queue<Queued, std::vector<Queued>, Later> queue_;
  int64_t planned_ = 0;
  int64_t bad_ = 0;
  int64_t others_ = 0;
  int64_t sent_ = 0;
  uint64_t number_ = 0;
};

}  // namespace

absl::Status Generate(const GenerateOptions& options, Sink& sink, Ledger* ledger) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  *ledger = Ledger{};
  ledger->options = options;
  ledger->covers_runs = !options.append_time || options.span_us + kLongestDelayUs <= options.horizon_us;
  Generator generator(options, &sink, ledger);
  if (absl::Status status = generator.Run(); !status.ok()) return status;
  return sink.Finish();
}

}  // namespace runledger::tools
