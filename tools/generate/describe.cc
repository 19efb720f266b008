#include <xxhash.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/generate/plan.h"

// What events say beside their status: the columns of a run, and the other bodies.

namespace runledger::tools {
namespace {

using Json = nlohmann::json;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayUs = 86'400 * kSecondUs;
constexpr int kSuccess = 2;
constexpr int kNoData = 3;
constexpr int kPartial = 4;
constexpr int kSkipped = 5;

constexpr const char* kTables[] = {"nba_raw.bdl_player_boxscores",         "nba_raw.nbac_gamebook_player_stats",
                                   "nba_raw.odds_api_player_points_props", "nba_analytics.player_game_summary",
                                   "nba_analytics.team_offense_summary",   "nba_precompute.player_daily_cache"};
constexpr const char* kErrorTypes[] = {"ValueError", "BadRequest", "TimeoutError", "DependencyMissing", "KeyError"};
constexpr const char* kErrorTexts[] = {"JSON table encountered too many errors, giving up. Rows: 1; errors: 1.",
                                       "Upstream has been 'running' for 6.4 hours (threshold: 4h)",
                                       "no rows for 2026-01-11 in player_daily_cache",
                                       "Dončić: unexpected column \"min\"", "429 Too Many Requests"};
constexpr const char* kFailureCategories[] = {"no_data_available", "upstream_failure",    "processing_error",
                                              "timeout",           "configuration_error", "unknown"};
constexpr const char* kSources[] = {"CONTROLLER", "MANUAL", "LOCAL", "CLOUD_RUN", "SCHEDULER", "RECOVERY"};
constexpr const char* kTriggers[] = {"pubsub", "scheduler", "manual", "api"};
constexpr const char* kSkipReasons[] = {"smart_skip", "early_exit", "already_processed", "no_data"};

Json SomeTables(Random* random) {
  Json tables = Json::array();
  for (int64_t count = random->Between(0, 3); count > 0; --count) tables.push_back(random->Of(kTables));
  return tables;
}

std::string HexDigits(uint64_t high, uint64_t low) {
  std::array<char, 33> text;
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text.data();
}

v1::Event MakeDecision(const std::string& workflow, int64_t now_us, Random* random) {
  v1::Event event;
  v1::WorkflowDecision& decision = *event.mutable_decision();
  static constexpr const char* kActions[] = {"RUN", "SKIP", "ABORT"};
  static constexpr const char* kPriorities[] = {"CRITICAL", "HIGH", "MEDIUM", "LOW", "MANUAL"};
  decision.set_decision_id(HexDigits(random->Next(), random->Next()));
  decision.set_workflow(workflow);
  decision.set_action(random->Of(kActions));
  decision.set_decision_time_us(now_us);
  decision.set_reason("already success today");
  decision.set_context(
      Json{{"games_today", random->Between(0, 12)}, {"window", {{"from", "11:00"}, {"to", "15:00"}}}}.dump());
  decision.set_scrapers_triggered(R"(["nbac_injury_report", "bdl_live_boxscores"])");
  if (random->Chance(0.5)) decision.set_next_check_time_us(now_us + 3600 * kSecondUs);
  decision.set_priority(random->Of(kPriorities));
  decision.set_alert_level("NONE");
  decision.set_triggered_by("cloud-scheduler");
  return event;
}

v1::Event MakeExpected(const std::string& workflow, int64_t now_us, Random* random) {
  v1::Event event;
  v1::ExpectedRun& expected = *event.mutable_expected();
  expected.set_workflow(workflow);
  expected.set_expected_date(static_cast<int32_t>(now_us / kDayUs));
  expected.set_expected_run_time_us(now_us + random->Between(0, 12) * 3600 * kSecondUs);
  expected.set_reason("game day");
  expected.set_locked_at_us(now_us);
  expected.set_scrapers(R"(["nbac_schedule"])");
  expected.set_generated_by("schedule_locker");
  return event;
}

v1::Event MakeCleanup(int64_t now_us, Random* random) {
  v1::Event event;
  v1::CleanupOperation& cleanup = *event.mutable_cleanup();
  cleanup.set_cleanup_id(HexDigits(random->Next(), random->Next()));
  cleanup.set_files_checked(random->Between(20, 400));
  Json files = Json::array();
  for (int64_t count = random->Between(0, 3); count > 0; --count) {
    files.push_back({{"scraper_name", "bdl_live_boxscores"},
                     {"gcs_path", "gs://nba-scraped-data/ball-dont-lie/live/" + CompactTime(now_us) + ".json"},
                     {"age_minutes", random->Between(30, 300)},
                     {"republished", random->Chance(0.9)}});
  }
  cleanup.set_missing_files_found(static_cast<int64_t>(files.size()));
  cleanup.set_republished_count(static_cast<int64_t>(files.size()));
  cleanup.set_missing_files(files.dump());
  cleanup.set_pubsub_enabled(true);
  cleanup.set_duration_seconds(random->Unit() * 20);
  return event;
}

v1::Event MakeVerdict(const std::string& workflow, int64_t now_us, Random* random) {
  v1::Event event;
  v1::Verdict& verdict = *event.mutable_verdict();
  static constexpr const char* kVerdicts[] = {"on_time", "early", "late", "missing"};
  verdict.set_verdict_subject(workflow);
  verdict.set_verdict_due_us(now_us - 3600 * kSecondUs);
  verdict.set_verdict(random->Of(kVerdicts));
  verdict.set_workflow(workflow);
  event.set_event_id(OwnEventIdOf("verdict", workflow, verdict.verdict_due_us()));
  return event;
}

}  // namespace

std::string OwnEventIdOf(const std::string& kind, const std::string& subject, int64_t due_us) {
  const std::string text = kind + '\0' + subject + '\0' + std::to_string(due_us);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return "runledger-" + HexDigits(hash.high64, hash.low64);
}

std::string DateText(int32_t days) {
  // Civil date from days, counting years from March so that the leap day comes last.
  const int64_t shifted = int64_t{days} + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", static_cast<int>(year), static_cast<int>(month),
                static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1));
  return text.data();
}

std::string LongText(Random* random, size_t bytes) {
  static constexpr const char* kWords[] = {"Traceback", "(most", "recent", "call", "last):", "File",   "\"main.py\",",
                                           "line",      "417,",  "in",     "run",  "Jokić",  "Dončić", "→",
                                           "naïve",     "\n",    "日本語", "{}",   "\\path"};
  std::string text;
  while (text.size() < bytes) {
    text += random->Of(kWords);
    text += ' ';
  }
  return text;
}

void Planner::Describe(const JobProfile& job, const RunStory& story, v1::RunEvent* run) {
  run->set_job_name(job.name);
  run->set_run_id(story.run_id);
  if (job.kind != 1 || random_.Chance(0.5)) run->set_kind(static_cast<v1::Kind>(job.kind));
  if (story.attempt > 0) run->set_attempt(story.attempt);
  if (!job.phase.empty()) run->set_phase(job.phase);
  if (!job.workflow.empty()) run->set_workflow(job.workflow);
  run->set_data_date(story.data_date);
  if (job.tells_start) run->set_started_at_us(story.start_us);
  run->set_trigger_source(random_.Of(kTriggers));
  if (!story.trigger_message_id.empty()) run->set_trigger_message_id(story.trigger_message_id);
  run->set_source(random_.Of(kSources));
  run->set_environment("prod");
  run->set_service(job.service);
  run->set_revision(job.service + "-00036-ldn");
  if (random_.Chance(0.3))
    run->set_opts(Json{{"gamedate", story.data_date}, {"api_key", "k-123"}, {"nested", {{"password", "p"}}}}.dump());
  if (job.kind == 3) {
    run->set_subject("lukadoncic");
    run->set_batch_id("batch_" + CompactDate(story.start_us));
  }
  if (random_.Chance(0.2)) run->set_parent_job("NbacScheduleProcessor");
  if (random_.Chance(0.1)) run->set_attributes(R"({"season_year": 2025, "team_filter": ["LAL", "BOS"]})");
}

// Columns that few producers fill.
void Planner::DescribeSeldom(const RunStory& story, v1::RunEvent* run) {
  run->set_records_updated(random_.Between(0, 50));
  run->set_records_skipped(0);
  run->set_records_deleted(random_.Between(0, 5));
  run->set_warnings(R"(["12 players without minutes"])");
  run->set_stale_dependencies(SomeTables(&random_).dump());
  run->set_trigger_message_data(
      Json{{"scraper_name", "nbac_injury_report"}, {"record_count", random_.Between(0, 99)}}.dump());
  run->set_triggered_by("cloud-scheduler");
  run->set_parent_run_id("NbacScheduleProcessor_" + CompactDate(story.start_us));
  run->set_version("2.3." + std::to_string(random_.Between(0, 9)));
  run->set_config_hash(HexDigits(0, random_.Next()));
  run->set_output_path("gs://nba-props-platform-api/v1/live/today.json");
  run->set_output_dataset("nba_precompute");
  run->set_output_table("player_daily_cache");
  run->set_recovery(random_.Chance(0.1));
  run->set_dry_run(random_.Chance(0.1));
  run->set_test_mode(false);
  run->set_backfill_mode(story.marked);
  run->set_force_reprocess(random_.Chance(0.1));
  run->set_completed_at_us(story.start_us + random_.Between(1, 60) * kSecondUs);
}

void Planner::DescribeEnd(const RunStory& story, int status, v1::RunEvent* run) {
  run->set_records_processed(status == kSuccess || status == kPartial ? random_.Between(1, 400) : 0);
  if (status == kSuccess) run->set_records_created(random_.Between(0, 400));
  run->set_summary(Json{{"record_count", run->records_processed()}, {"is_empty_report", status == kNoData}}.dump());
  if (status == kSkipped) run->set_skip_reason(random_.Of(kSkipReasons));
  run->set_dependency_check_passed(status != kSkipped);
  if (random_.Chance(0.3)) {
    run->set_missing_dependencies(SomeTables(&random_).dump());
    run->set_upstream_dependencies(
        Json::array({{{"table", random_.Of(kTables)}, {"status", "stale"}, {"age_hours", 6.4}}}).dump());
  }
  if (random_.Chance(0.2)) DescribeSeldom(story, run);
  if (status <= kSkipped) return;
  const char* const type = random_.Of(kErrorTypes);
  std::string message = random_.Of(kErrorTexts);
  if (random_.Chance(0.05)) message += "\n" + LongText(&random_, static_cast<size_t>(random_.Between(500, 8000)));
  run->set_errors(random_.Chance(0.2) ? message
                                      : Json::array({{{"error_type", type}, {"error_message", message}}}).dump());
  run->set_failure_category(random_.Of(kFailureCategories));
  run->set_alert_sent(random_.Chance(0.5));
  if (run->alert_sent()) run->set_alert_type("error");
  run->set_execution_host("host-" + std::to_string(story.data_date % 7));
}

PlannedEvent Planner::PlanOther(int64_t now_us) {
  const std::string workflow = random_.Of(catalogue_.workflows());
  static constexpr double kWeights[] = {0.5, 0.2, 0.2, 0.1};
  PlannedEvent planned;
  planned.key = workflow;
  switch (random_.Weighted(kWeights)) {
    case 0:
      planned.event = MakeDecision(workflow, now_us, &random_);
      planned.sent.body = "decision";
      break;
    case 1:
      planned.event = MakeExpected(workflow, now_us, &random_);
      planned.sent.body = "expected";
      break;
    case 2:
      planned.event = MakeCleanup(now_us, &random_);
      planned.sent.body = "cleanup";
      planned.key = "cleanup";
      break;
    default:
      planned.event = MakeVerdict(workflow, now_us, &random_);
      planned.sent.body = "verdict";
  }
  planned.sent.kind = planned.sent.body;
  if (planned.event.event_id().empty()) planned.event.set_event_id(NextEventId());
  planned.event.set_event_time_us(now_us);
  planned.partition = kafka::PartitionFor(options_.partitioner, planned.key, options_.partitions);
  planned.send_at_us = now_us + Delay();
  return planned;
}

}  // namespace runledger::tools
