#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "aggregators/log_script.h"

// Any permutation and any duplication of a run's live events gives the same run state, windows and day table.

namespace runledger::aggregators {
namespace {

std::string TextOf(const RunInfo& run) {
  std::string text = run.job + " " + run.run_id + "/" + std::to_string(run.attempt) + " " +
                     std::string(codecs::StatusName(run.status)) + " last " + std::to_string(run.last_event_us);
  if (run.started_at_us) text += " started " + std::to_string(*run.started_at_us);
  if (run.duration_s) text += " took " + std::to_string(*run.duration_s);
  if (run.data_date) text += " date " + std::to_string(*run.data_date);
  if (run.stale) text += " stale";
  if (run.silent) text += " silent";
  if (run.timed_out) text += " timed out";
  if (run.closed_by_runledger) text += " closed by runledger";
  return text;
}

// Everything that must not depend on the order, as one text.
std::string StateAfter(const std::vector<std::string>& wires) {
  Twins twins(true, 0);
  twins.AdvanceWatermark(kScriptStartUs - kHourUs);
  for (const std::string& wire : wires) twins.Fold(kScriptStartUs, {wire});
  twins.AdvanceWatermark(kScriptStartUs + kHourUs);
  RC_ASSERT(twins.Publish());
  RC_ASSERT(twins.Difference() == "");
  std::vector<std::string> lines;
  for (const RunInfo& run : twins.shard().FindRuns({})) lines.push_back(TextOf(run));
  const auto block = twins.shard().Read();
  for (size_t i = 0; i < block->jobs.size(); ++i) {
    const JobBlock& job = block->jobs[i];
    std::string line = block->labels[i]->name + " started " + std::to_string(job.started) + " running " +
                       std::to_string(job.running) + " windows";
    for (const Outcomes& window : job.windows)
      line += " " + std::to_string(window.good) + "/" + std::to_string(window.all);
    lines.push_back(line);
    for (int32_t date = -10; date < 10; ++date) {
      const DayState* day =
          twins.shard().FindDay(block->labels[i]->name, static_cast<int32_t>(kScriptStartUs / kDayUs) + date);
      if (day == nullptr) continue;
      lines.push_back(block->labels[i]->name + " day " + std::to_string(date) + " best " +
                      std::string(codecs::StatusName(day->best)) + " attempts " + std::to_string(day->attempts) +
                      " last " + std::string(codecs::StatusName(day->last_status)) + " at " +
                      std::to_string(day->last_time_us));
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

void AnyOrderIsTheSame(std::vector<EventSpec> specs, bool own) {
  std::vector<std::string> wires;
  for (EventSpec& spec : specs) {
    spec.backfill = false;
    spec.id = 0;  // an id is an event's own
    spec.age_us %= 23 * kHourUs;
    spec.own_close = spec.own_close && own;
    wires.push_back(WireOf(spec, kScriptStartUs));
  }
  std::vector<std::string> shuffled = wires;
  const size_t repeated = wires.empty() ? 0 : *rc::gen::inRange<size_t>(0, 10);
  for (size_t i = 0; i < repeated; ++i) shuffled.push_back(wires[*rc::gen::inRange<size_t>(0, wires.size())]);
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  if (own) {  // what we decide of a run follows what we have seen of it
    for (int run = 0; run < 3; ++run) {
      const std::string start = WireOf({.run = run}, kScriptStartUs);
      wires.insert(wires.begin(), start);
      shuffled.insert(shuffled.begin(), start);
    }
  }
  RC_ASSERT(StateAfter(shuffled) == StateAfter(wires));
}

RC_GTEST_PROP(Merge, AnyOrderAndRepetitionGivesTheSameState, ()) {
  AnyOrderIsTheSame(*rc::gen::container<std::vector<EventSpec>>(AnyEvent(2, 3)), /*own=*/false);
}

RC_GTEST_PROP(Merge, AlsoWhereRunledgerClosedTheRun, ()) {
  auto event = rc::gen::map(AnyEvent(1, 3), [](EventSpec spec) {
    spec.attempt = 0;
    return spec;
  });
  AnyOrderIsTheSame(*rc::gen::container<std::vector<EventSpec>>(std::move(event)), /*own=*/true);
}

}  // namespace
}  // namespace runledger::aggregators
