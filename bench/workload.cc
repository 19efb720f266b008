#include "bench/workload.h"

#include <cstdio>

#include "runledger/v1/event.pb.h"

namespace runledger::bench {
namespace {

constexpr const char* kSubjects[] = {"PlayerGameSummary", "OddsGameLines",       "NbacSchedule",    "NbacInjuryReport",
                                     "BdlLiveBoxscores",  "BasketballRefRoster", "TeamDefenseZone", "PlayerShotZone",
                                     "PlayerDailyCache",  "MlFeatureStore"};
constexpr int64_t kDayUs = 86'400'000'000;
constexpr const char* kPhases[] = {"phase_2_raw", "phase_3_analytics", "phase_4_precompute"};

}  // namespace

Workload::Workload(uint64_t seed, int64_t start_us, EventIds ids, int jobs)
    : random_(seed), now_us_(start_us), ids_(ids) {
  std::vector<double> weights;
  for (int i = 0; i < jobs; ++i) {
    jobs_.push_back(std::string(kSubjects[i % 10]) + "Processor" + (i < 10 ? "" : std::to_string(i / 10)));
    weights.push_back(1.0 / (i + 1));
  }
  popularity_ = std::discrete_distribution<uint32_t>(weights.begin(), weights.end());
}

size_t Workload::Start(std::string* event) {
  runs_.push_back({popularity_(random_), static_cast<uint32_t>(random_()), now_us_, 0});
  Serialize(runs_.back(), v1::RUNNING, false, event);
  return runs_.size() - 1;
}

void Workload::Heartbeat(size_t run, std::string* event) { Serialize(runs_[run], v1::RUNNING, true, event); }

void Workload::Finish(size_t run, std::string* event) {
  const uint64_t dice = random_() % 100;
  Serialize(runs_[run], dice < 90 ? v1::SUCCESS : dice < 95 ? v1::FAILED : v1::NO_DATA, false, event);
}

void Workload::Serialize(Run& run, int status, bool heartbeat, std::string* out) {
  now_us_ += kStepUs;
  const std::string& job = jobs_[run.job];
  char id[64];
  std::snprintf(id, sizeof id, "_20260112_%06u_%08x", static_cast<unsigned>(run.started_us / 1'000'000 % 240'000),
                run.hex);
  v1::Event event;
  if (ids_ == EventIds::kRunAndSequence) {
    event.set_event_id(job + id + "/" + std::to_string(run.sequence));
  } else {
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(now_us_) * 0x9E3779B97F4A7C15ULL);
    event.set_event_id(hash);
  }
  event.set_event_time_us(now_us_);
  event.set_sequence(++run.sequence);
  v1::RunEvent& body = *event.mutable_run();
  body.set_job_name(job);
  body.set_run_id(job + id);
  body.set_status(static_cast<v1::Status>(status));
  body.set_phase(kPhases[run.job % 3]);
  body.set_workflow("morning_operations");
  body.set_data_date(static_cast<int32_t>(run.started_us / kDayUs));
  body.set_started_at_us(run.started_us);
  if (heartbeat) body.set_heartbeat(true);
  body.set_attempt(static_cast<int32_t>(run.hex % 10 == 0 ? 2 : 1));
  body.set_trigger_source("pubsub");
  body.set_trigger_message_id("12345678901234567");
  body.set_environment("prod");
  body.set_service("phase2-processors");
  body.set_revision("phase2-processors-00037-xj2");
  if (status != v1::RUNNING) {
    body.set_duration_seconds(static_cast<double>(now_us_ - run.started_us) / 1e6);
    body.set_records_processed(199);
    body.set_summary(R"({"rows":199,"source":"gcs"})");
  }
  event.SerializeToString(out);
}

}  // namespace runledger::bench
