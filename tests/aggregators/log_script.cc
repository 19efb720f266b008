#include "aggregators/log_script.h"

#include <array>

#include "codecs/event.h"
#include "runledger/v1/event.pb.h"

namespace runledger::aggregators {
namespace {

constexpr const char* kJobs[] = {"PlayerGameSummaryProcessor", "OddsGameLinesProcessor", "nbac_injury_report",
                                 "PlayerDailyCacheProcessor"};

template <typename T>
std::string Text(const std::optional<T>& value) {
  return value ? std::to_string(*value) : "-";
}

// Of one in `n`.
rc::Gen<bool> OneIn(int n) {
  return rc::gen::map(rc::gen::inRange(0, n), [n](int drawn) { return drawn == n - 1; });
}

template <typename T>
rc::Gen<std::optional<T>> SometimesOf(int n, rc::Gen<T> gen) {
  return rc::gen::apply([](bool given, T value) { return given ? std::optional<T>(value) : std::nullopt; }, OneIn(n),
                        std::move(gen));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const EventSpec& spec) {
  return out << "{job " << spec.job << " run " << spec.run << "/" << spec.attempt << " status " << spec.status
             << " age " << spec.age_us << " seq " << spec.sequence << " id " << spec.id
             << (spec.heartbeat ? " beat" : "") << (spec.backfill ? " backfill" : "") << (spec.own_close ? " own" : "")
             << " started " << Text(spec.started_age_us) << " duration " << Text(spec.duration_s) << " date "
             << Text(spec.date_age) << " phase " << spec.phase << " workflow " << spec.workflow << "}";
}

std::ostream& operator<<(std::ostream& out, const Step& step) {
  out << "\n  advance " << step.advance_us << (step.stamped ? "" : " unstamped") << (step.publish ? " publish" : "")
      << (step.hold ? " hold" : "") << " watermark lag " << Text(step.watermark_lag_us);
  for (const EventSpec& event : step.events) out << "\n    " << event;
  return out;
}

std::ostream& operator<<(std::ostream& out, const Script& script) {
  out << (script.by_broker ? "append time" : "create time") << ", bounds " << script.bounds;
  for (const Step& step : script.steps) out << step;
  return out;
}

rc::Gen<int64_t> SpanOfTime() {
  constexpr int64_t kMinute = 60 * kSecondUs;
  const auto scale = rc::gen::elementOf(std::vector<int64_t>{0, kSecondUs, 30 * kSecondUs, kMinute, 5 * kMinute,
                                                             kHourUs, 4 * kHourUs, kDayUs, 2 * kDayUs});
  return rc::gen::apply([](int64_t unit, int64_t count, int64_t jitter) { return unit * count + jitter; }, scale,
                        rc::gen::inRange<int64_t>(0, 4), rc::gen::inRange<int64_t>(-1, 2));
}

rc::Gen<EventSpec> AnyEvent(int jobs, int runs) {
  using rc::gen::inRange;
  using rc::gen::set;
  return rc::gen::build<EventSpec>(
      set(&EventSpec::job, inRange(0, jobs)), set(&EventSpec::run, inRange(0, runs)),
      set(&EventSpec::attempt, rc::gen::weightedElement<int>({{4, 0}, {1, 1}})),
      set(&EventSpec::status, rc::gen::weightedElement<int>({{6, 1}, {4, 2}, {1, 3}, {1, 4}, {1, 5}, {3, 6}, {1, 7}})),
      set(&EventSpec::age_us,
          rc::gen::weightedOneOf<int64_t>(
              {{6, SpanOfTime()},
               {1, rc::gen::map(SpanOfTime(),
                                [](int64_t span) {
                                  return -std::min(span, kHourUs);  // ahead of the record, within log.future_limit
                                })}})),
      set(&EventSpec::sequence, inRange(0, 3)), set(&EventSpec::id, inRange(0, 4)),
      set(&EventSpec::heartbeat, OneIn(4)), set(&EventSpec::backfill, OneIn(8)), set(&EventSpec::own_close, OneIn(10)),
      set(&EventSpec::started_age_us, SometimesOf<int64_t>(3, SpanOfTime())),
      set(&EventSpec::duration_s,
          SometimesOf<double>(4, rc::gen::map(SpanOfTime(), [](int64_t us) { return static_cast<double>(us) / 1e6; }))),
      set(&EventSpec::date_age, SometimesOf<int>(3, inRange(-3, 5))), set(&EventSpec::phase, inRange(0, 3)),
      set(&EventSpec::workflow, inRange(0, 3)));
}

rc::Gen<Script> AnyScript() {
  using rc::gen::set;
  const auto events = rc::gen::map(
      rc::gen::pair(rc::gen::container<std::vector<EventSpec>>(AnyEvent(3, 5)), rc::gen::inRange<size_t>(1, 4)),
      [](std::pair<std::vector<EventSpec>, size_t> drawn) {
        if (drawn.first.size() > drawn.second) drawn.first.resize(drawn.second);
        return drawn.first;
      });
  const auto advance = rc::gen::weightedOneOf<int64_t>(
      {{8, SpanOfTime()}, {1, rc::gen::map(SpanOfTime(), [](int64_t span) { return -span; })}});
  const auto step = rc::gen::build<Step>(
      set(&Step::advance_us, advance), set(&Step::stamped, rc::gen::map(OneIn(12), [](bool no) { return !no; })),
      set(&Step::events, events), set(&Step::watermark_lag_us, SometimesOf<int64_t>(2, SpanOfTime())),
      set(&Step::publish, rc::gen::weightedElement<bool>({{2, true}, {1, false}})), set(&Step::hold, OneIn(6)));
  return rc::gen::build<Script>(set(&Script::by_broker, rc::gen::arbitrary<bool>()),
                                set(&Script::bounds, rc::gen::inRange(0, 4)),
                                set(&Script::steps, rc::gen::container<std::vector<Step>>(step)));
}

std::string WireOf(const EventSpec& spec, int64_t stamp_us) {
  v1::Event event;
  v1::RunEvent& run = *event.mutable_run();
  event.set_event_time_us(stamp_us - spec.age_us);
  if (spec.id != 0) event.set_event_id("event-" + std::to_string(spec.id));
  event.set_sequence(spec.sequence);
  event.set_backfill(spec.backfill);
  run.set_job_name(kJobs[spec.job]);
  run.set_run_id("PlayerGameSummaryProcessor_20260112_113008_d1cb5a0" + std::to_string(spec.run));
  if (spec.attempt != 0) run.set_attempt(spec.attempt);
  run.set_status(static_cast<v1::Status>(spec.own_close ? 6 : spec.status));
  if (spec.heartbeat) run.set_heartbeat(true);
  if (spec.started_age_us) run.set_started_at_us(stamp_us - *spec.started_age_us);
  if (spec.duration_s) run.set_duration_seconds(*spec.duration_s);
  if (spec.date_age) run.set_data_date(static_cast<int32_t>(stamp_us / kDayUs) - *spec.date_age);
  if (spec.phase != 0) run.set_phase("phase_" + std::to_string(spec.phase));
  if (spec.workflow != 0) run.set_workflow("workflow_" + std::to_string(spec.workflow));
  if (spec.own_close) {
    run.set_source_status(std::string(codecs::kClosedByRunledger));
    event.set_event_id(codecs::OwnEventId(codecs::kClosedByRunledger,
                                          codecs::RunSubject(run.job_name(), run.run_id(), run.attempt()),
                                          event.event_time_us()));
  }
  return event.SerializeAsString();
}

ShardOptions BoundsOf(int bounds) {
  ShardOptions options;
  if (bounds == 1) options.closed_runs = 3;
  if (bounds == 2) options.open_runs = 4;
  if (bounds == 3) {
    options.horizon_us = 2 * kHourUs;
    options.days = 2;
    options.forget_job_after_us = 2 * kDayUs;
  }
  return options;
}

reference::FoldOptions ReferenceBoundsOf(int bounds) {
  const ShardOptions options = BoundsOf(bounds);
  return {options.horizon_us, options.closed_runs,         options.open_runs,
          options.days,       options.forget_job_after_us, options.clock_step_us};
}

std::shared_ptr<const JobPolicies> ScriptPolicies() {
  JobPolicy patient;
  patient.stale_after_us = 12 * kHourUs;
  patient.heartbeat_silent_after_us = kHourUs;
  patient.max_runtime_us = 4 * kHourUs;
  patient.phase = "phase_4_precompute";
  JobPolicy strict;
  strict.stale_after_us = 30 * kSecondUs;
  strict.staleness_threshold_us = kHourUs;
  return std::make_shared<JobPolicies>(JobPolicy{},
                                       std::vector<JobPolicyRule>{{"Odds*", patient}, {"nbac_injury_report", strict}});
}

reference::Policies ReferencePolicies() {
  reference::Policy patient;
  patient.stale_after_us = 12 * kHourUs;
  patient.silent_after_us = kHourUs;
  patient.max_runtime_us = 4 * kHourUs;
  patient.phase = "phase_4_precompute";
  reference::Policy strict;
  strict.stale_after_us = 30 * kSecondUs;
  strict.staleness_us = kHourUs;
  return {{}, {{"Odds*", patient}, {"nbac_injury_report", strict}}};
}

}  // namespace runledger::aggregators
