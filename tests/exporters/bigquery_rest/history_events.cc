#include "exporters/bigquery_rest/history_events.h"

#include <algorithm>
#include <random>
#include <string>

#include "codecs/event.h"

namespace runledger::exporters {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteUs = 60 * kSecondUs;
constexpr int64_t kHourUs = 60 * kMinuteUs;
constexpr int64_t kDayUs = 24 * kHourUs;

class Maker {
 public:
  Maker(uint32_t seed, int64_t now_us) : random_(seed), now_us_(now_us) {}

  std::vector<v1::Event> Make(int runs) {
    for (int i = 0; i < runs; ++i) AddRun(i);
    for (int i = 0; i < 40; ++i) AddDecision(i);
    for (int i = 0; i < 24; ++i) AddExpected(i);
    for (int i = 0; i < 5; ++i) AddCleanup(i);
    for (int i = 0; i < 5; ++i) AddVerdict(i);
    for (size_t i = 0, whole = events_.size(); i < whole; ++i) {
      if (Chance(10)) events_.push_back(events_[i]);
    }
    std::shuffle(events_.begin(), events_.end(), random_);
    return std::move(events_);
  }

 private:
  bool Chance(int percent) { return Below(100) < percent; }
  int64_t Below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint32_t>(bound)); }
  template <size_t N>
  const char* Any(const char* const (&words)[N]) {
    return words[Below(N)];
  }

  v1::Event& Add(int64_t time_us) {
    v1::Event& event = events_.emplace_back();
    event.set_event_id("e" + std::to_string(events_.size()));
    event.set_event_time_us(time_us);
    return event;
  }

  void AddRun(int index) {
    const v1::Kind kind = index % 3 == 0 ? v1::PROCESSOR : index % 3 == 1 ? v1::SCRAPER : v1::PREDICTION;
    const int64_t start = now_us_ - Below(9 * kDayUs / kSecondUs) * kSecondUs - Below(kSecondUs);
    v1::RunEvent run;
    static constexpr const char* kJobs[] = {"PlayerGameSummaryProcessor", "MLFeatureStoreProcessor",
                                            "nbac_injury_report", "bdl_box_scores", "jób"};
    run.set_job_name(Any(kJobs));
    run.set_run_id("run_" + std::to_string(index) + "_fea26b0" + std::to_string(index % 4));
    if (kind != v1::PROCESSOR || Chance(50)) run.set_kind(kind);
    if (Chance(30)) run.set_attempt(static_cast<int>(1 + Below(3)));
    if (Chance(90)) run.set_started_at_us(start);
    if (Chance(90)) run.set_data_date(static_cast<int32_t>(start / kDayUs) - static_cast<int32_t>(Below(3)));
    Describe(&run);
    Start(run, start);
    if (Chance(20)) Beat(run, start + 5 * kMinuteUs);
    if (Chance(85)) End(run, start + (1 + Below(7'000)) * kSecondUs);
  }

  void Describe(v1::RunEvent* run) {
    static constexpr const char* kPhases[] = {"phase_2_raw", "phase_3_analytics", "phase_4_precompute"};
    static constexpr const char* kTriggers[] = {"pubsub", "scheduler", "manual", "api"};
    static constexpr const char* kSources[] = {"CONTROLLER", "MANUAL", "LOCAL", "RECOVERY"};
    if (Chance(80)) run->set_phase(Any(kPhases));
    if (Chance(50)) run->set_workflow("injury_discovery");
    if (Chance(80)) run->set_trigger_source(Any(kTriggers));
    if (Chance(60)) run->set_trigger_message_id("1234567890123456" + std::to_string(Below(4)));
    if (Chance(80)) run->set_source(Any(kSources));
    if (Chance(80)) run->set_environment(Chance(80) ? "prod" : "dev");
    if (Chance(40)) run->set_service("prediction-worker");
    if (Chance(40)) run->set_subject("player'" + std::to_string(Below(9)));
    if (Chance(20)) run->set_parent_job("bdl \"box\"");
    if (Chance(30))
      run->set_attributes(R"({"season_year": 2025, "team_filter": "BOS", "used_source_fallback": true,
        "espn_roster_date": "2026-01-12", "execution_id": "x-)" +
                          std::to_string(Below(100)) + R"("})");
  }

  void Start(const v1::RunEvent& run, int64_t time_us) {
    if (Chance(5)) return;  // its start was lost
    v1::RunEvent* body = Add(time_us).mutable_run();
    *body = run;
    body->set_status(v1::RUNNING);
  }

  void Beat(const v1::RunEvent& run, int64_t time_us) {
    v1::RunEvent* body = Add(time_us).mutable_run();
    *body = run;
    body->set_status(v1::RUNNING);
    body->set_heartbeat(true);
  }

  void End(const v1::RunEvent& run, int64_t time_us) {
    static constexpr v1::Status kEnds[] = {v1::SUCCESS, v1::SUCCESS, v1::NO_DATA, v1::PARTIAL,
                                           v1::SKIPPED, v1::FAILED,  v1::ABORTED};
    v1::RunEvent* body = Add(time_us).mutable_run();
    *body = run;
    body->set_status(kEnds[Below(std::size(kEnds))]);
    body->set_duration_seconds(static_cast<double>(Below(4'000)) / 8);
    if (Chance(80)) body->set_records_processed(body->status() == v1::NO_DATA ? 0 : Below(500));
    if (Chance(30)) body->set_records_created(Below(50));
    if (Chance(40))
      body->set_summary(Chance(50) ? R"({"record_count": 12, "scraper_stats": {"rows": [1, 2]}})" : R"({"a": null})");
    if (body->status() == v1::FAILED) {
      body->set_errors(Chance(50) ? R"([{"error_type": "ValueError", "error_message": "bad \"row\""}])" : "plain text");
      body->set_alert_sent(true);
      body->set_alert_type("error");
    }
    if (Chance(40)) {
      body->set_dependency_check_passed(false);
      // Arrays alone: the emulator fails at JSON_QUERY_ARRAY of anything else, which BigQuery makes NULL.
      static constexpr const char* kMissing[] = {R"(["nba_raw.a", "nba_raw.b"])", R"(["nba_raw.b"])", "[]"};
      body->set_missing_dependencies(Any(kMissing));
      body->set_stale_dependencies(R"(["nba_raw.c"])");
    } else if (Chance(60)) {
      body->set_dependency_check_passed(true);
    }
  }

  void AddDecision(int index) {
    static constexpr const char* kActions[] = {"RUN", "RUN", "SKIP", "ABORT"};
    v1::Event& event = Add(now_us_ - index * 37 * kMinuteUs - Below(kMinuteUs));
    v1::WorkflowDecision* decision = event.mutable_decision();
    decision->set_decision_id("d" + std::to_string(index));
    decision->set_workflow(index % 2 == 0 ? "injury_discovery" : "betting_lines");
    decision->set_action(Any(kActions));
    if (Chance(80)) decision->set_decision_time_us(event.event_time_us());
    decision->set_reason("because " + std::to_string(index));
    decision->set_context(R"({"games": 7})");
    decision->set_scrapers_triggered(R"(["nbac_injury_report"])");
    decision->set_priority(Chance(60) ? "CRITICAL" : "LOW");
  }

  void AddExpected(int index) {
    // The day of America/New_York without its change of clocks: near enough for what is expected.
    const int64_t day = (now_us_ - 5 * kHourUs) / kDayUs;
    v1::ExpectedRun* expected = Add(day * kDayUs).mutable_expected();
    expected->set_workflow(index % 2 == 0 ? "injury_discovery" : "betting_lines");
    expected->set_expected_date(static_cast<int32_t>(day));
    expected->set_expected_run_time_us(day * kDayUs + 5 * kHourUs + index * kHourUs);
    expected->set_reason("hourly");
    expected->set_scrapers(R"(["a", "b"])");
    if (Chance(50)) expected->set_attributes(R"({"games_today": 9})");
  }

  void AddCleanup(int index) {
    v1::CleanupOperation* cleanup = Add(now_us_ - index * 30 * kMinuteUs).mutable_cleanup();
    cleanup->set_cleanup_id("c" + std::to_string(index));
    cleanup->set_files_checked(100);
    cleanup->set_missing_files_found(3);
    cleanup->set_missing_files(
        R"([{"scraper_name": "s1", "gcs_path": "gs://b/1", "triggered_at": "2026-01-12T10:00:00Z", "age_minutes": 241, "republished": true},
            {"scraper_name": "s2", "gcs_path": "gs://b/2", "age_minutes": 120, "republished": false},
            {"scraper_name": "s3", "gcs_path": "gs://b/3", "age_minutes": 120.5}])");
    cleanup->set_pubsub_enabled(true);
  }

  void AddVerdict(int index) {
    const int64_t due_us = now_us_ - index * kHourUs;
    v1::Event& event = Add(due_us);
    event.set_event_id(codecs::OwnEventId("verdict", "injury_discovery", due_us));
    v1::Verdict* verdict = event.mutable_verdict();
    verdict->set_verdict_subject("injury_discovery");
    verdict->set_verdict_due_us(due_us);
    verdict->set_verdict(index % 2 == 0 ? "late" : "on_time");
    verdict->set_delay_seconds(12.5 * index);
  }

  std::mt19937 random_;
  const int64_t now_us_;
  std::vector<v1::Event> events_;
};

}  // namespace

std::vector<v1::Event> HistoryEvents(uint32_t seed, int64_t now_us, int runs) { return Maker(seed, now_us).Make(runs); }

}  // namespace runledger::exporters
