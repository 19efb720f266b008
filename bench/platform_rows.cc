#include "bench/platform_rows.h"

#include <cstdio>

#include "codecs/civil_time.h"

namespace runledger::bench {

void PlatformRows::Fill(int64_t number, int step, int64_t runs, v1::Event* event) {
  static constexpr v1::Status kEnds[] = {v1::SUCCESS, v1::SUCCESS, v1::SUCCESS, v1::SUCCESS,
                                         v1::NO_DATA, v1::FAILED,  v1::SUCCESS, v1::SKIPPED};
  const int64_t began_us = kFirstUs + number * (kDays * kDayUs / runs);
  const auto job = static_cast<int>(number * 7919 % kJobs);
  const bool ends = step == kEventsPerRun - 1;
  char text[160];
  event->Clear();
  std::snprintf(text, sizeof text, "%016llx-%d", static_cast<unsigned long long>(number) * 0x9E3779B97F4A7C15ULL, step);
  event->set_event_id(text);
  event->set_event_time_us(began_us + step * 60'000'000);
  event->set_sequence(step + 1);
  v1::RunEvent& run = *event->mutable_run();
  std::snprintf(text, sizeof text, "PlayerSummaryProcessor%03d", job);
  run.set_job_name(text);
  std::snprintf(text, sizeof text, "PlayerSummaryProcessor%03d_20260112_%06lld_%08llx", job,
                static_cast<long long>(number % 1'000'000),
                static_cast<unsigned long long>(number) * 2654435761ULL % 0xFFFFFFFFULL);
  run.set_run_id(text);
  run.set_kind(job % 10 < 7 ? v1::PROCESSOR : job % 10 < 9 ? v1::SCRAPER : v1::PREDICTION);
  run.set_status(ends ? kEnds[number % 8] : v1::RUNNING);
  run.set_attempt(1);
  if (step > 0 && !ends) run.set_heartbeat(true);
  run.set_phase(job % 3 == 0 ? "phase_2_raw" : job % 3 == 1 ? "phase_3_analytics" : "phase_4_precompute");
  run.set_workflow("morning_operations");
  run.set_data_date(codecs::DayOf(began_us));
  run.set_started_at_us(began_us);
  run.set_trigger_source("pubsub");
  std::snprintf(text, sizeof text, "%017lld", static_cast<long long>(number));
  run.set_trigger_message_id(text);
  run.set_source("CONTROLLER");
  run.set_environment("prod");
  run.set_dependency_check_passed(true);
  run.set_service("phase3-analytics-processors");
  run.set_revision("phase3-analytics-processors-00036-ldn");
  run.set_execution_host("worker-17.us-west2");
  run.set_version("4f7a9c2e");
  run.set_opts(R"({"gamedate":"20260112","sport":"basketball","hour":8,"period":"AM"})");
  if (!ends) return;
  run.set_duration_seconds(180.25);
  run.set_records_processed(number % 10'000);
  run.set_records_created(number % 100);
  run.set_alert_sent(false);
  run.set_summary(R"({"record_count":199,"games":8,"players":[1,2,3],"table":"nba_analytics.player_game_summary"})");
  if (run.status() == v1::FAILED)
    run.set_errors(
        R"([{"error_type":"ValueError","error_message":"Rows: 1; errors: 1. Please look into the errors"}])");
}

}  // namespace runledger::bench
