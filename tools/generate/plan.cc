#include "tools/generate/plan.h"

#include <algorithm>
#include <cstdio>

namespace runledger::tools {
namespace {

constexpr int64_t kMsUs = 1000;
constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteUs = 60 * kSecondUs;
constexpr int64_t kHourUs = 60 * kMinuteUs;
constexpr int64_t kDayUs = 24 * kHourUs;

constexpr int kRunning = 1;
constexpr int kSuccess = 2;
constexpr int kFailed = 6;

constexpr const char* kOwnWord = "stale_running_cleanup";

// What a producer of each vocabulary says for a status; nullptr: it says ours.
const char* WordFor(Vocabulary vocabulary, int status) {
  static constexpr const char* kWords[6][8] = {
      {},
      {nullptr, "START", "COMPLETE", nullptr, nullptr, nullptr, "FAIL", "ABORT"},
      {nullptr, "running", "success", nullptr, nullptr, "upstream_failed", "failed", nullptr},
      {nullptr, "STARTED", "SUCCESS", nullptr, nullptr, nullptr, "FAILURE", "CANCELED"},
      {nullptr, "Running", "Completed", nullptr, nullptr, nullptr, "Crashed", "Cancelled"},
      {nullptr, "started", "pass", nullptr, "warn", "skipped", "runtime error", nullptr}};
  return kWords[static_cast<size_t>(vocabulary)][status];
}

}  // namespace

std::string Planner::NextEventId() {
  char text[40];
  std::snprintf(text, sizeof text, "evt-%08x-%010llx", static_cast<unsigned>(options_.seed),
                static_cast<unsigned long long>(++events_));
  return text;
}

std::string Planner::NextRunId(const JobProfile& job, int64_t start_us) {
  // An odd factor permutes the 32-bit numbers: no two runs share theirs.
  char hex[16];
  std::snprintf(hex, sizeof hex, "%08x", ++runs_ * 0x9E3779B1u ^ static_cast<uint32_t>(options_.seed));
  if (job.kind == 3) return "req-" + CompactDate(start_us) + "-" + hex;
  return job.name + "_" + CompactDate(start_us) + "_" + CompactTime(start_us) + "_" + hex;
}

// From the event to its sending: usually a moment, sometimes seconds, now and then hours.
int64_t Planner::Delay() {
  auto delay_us = random_.Between(5 * kMsUs, 200 * kMsUs);
  if (random_.Chance(options_.disorder)) {
    delay_us +=
        static_cast<int64_t>(random_.Exponential(static_cast<double>(std::min(30 * kSecondUs, options_.span_us / 50))));
  }
  if (random_.Chance(options_.late))
    delay_us += random_.Between(options_.span_us / 60, std::min(3 * kHourUs, options_.span_us / 3));
  return delay_us;
}

int Planner::DrawStatus(const JobProfile& job) {
  const double others = 1 - job.fails;
  //                        success       no_data        partial        skipped        failed            aborted
  const double weights[] = {others * 0.82, others * 0.08,    others * 0.04,
                            others * 0.06, job.fails * 0.85, job.fails * 0.15};
  return static_cast<int>(random_.Weighted(weights)) + kSuccess;
}

void Planner::SetStatus(const JobProfile& job, int status, PlannedEvent* planned) {
  v1::RunEvent& run = *planned->event.mutable_run();
  const char* const word = WordFor(job.vocabulary, status);
  if (word == nullptr || random_.Chance(0.3)) run.set_status(static_cast<v1::Status>(status));
  if (word != nullptr) run.set_source_status(word);
  planned->sent.status = status;
  planned->sent.rank = status == kRunning ? 0 : 2;
}

PlannedEvent& Planner::Add(const JobProfile& job, RunStory* story, int64_t time_us, int status,
                           std::vector<PlannedEvent>* plan) {
  PlannedEvent& planned = plan->emplace_back();
  v1::Event& event = planned.event;
  if (!random_.Chance(0.03)) event.set_event_id(NextEventId());
  event.set_event_time_us(time_us);
  if (job.keeps_sequence) event.set_sequence(++story->sequence);
  if (story->marked) event.set_backfill(true);
  v1::RunEvent& run = *event.mutable_run();
  Describe(job, *story, &run);
  SetStatus(job, status, &planned);
  if (status != kRunning) DescribeEnd(*story, status, &run);
  if (status != kRunning && job.tells_duration)
    run.set_duration_seconds(static_cast<double>(time_us - story->start_us) / 1e6);

  static constexpr const char* kKinds[] = {"", "processor", "scraper", "prediction"};
  planned.sent.body = "run";
  planned.sent.kind = kKinds[job.kind];
  planned.sent.time_us = time_us;
  planned.sent.sequence = event.sequence();
  planned.sent.history = story->history;
  planned.job = job.name;
  planned.key = job.name;
  planned.partition = job.partition;
  planned.send_at_us = time_us + Delay();
  planned.spoil = random_.Chance(options_.refused);
  if (!story->history) planned.tally = story->tally;
  return planned;
}

// One run, and what it is tried again as.
void Planner::TellRun(const JobProfile& job, RunStory* story, std::vector<PlannedEvent>* plan) {
  story->tally = std::make_shared<RunTally>();
  const int64_t longest_us = std::max<int64_t>(options_.span_us / 4, kSecondUs);
  const auto duration_us =
      std::clamp(static_cast<int64_t>(random_.LogNormal(job.median_duration_s, 0.6) * 1e6), int64_t{1}, longest_us);
  const int64_t end_us = story->start_us + duration_us;

  if (!random_.Chance(0.04)) Add(job, story, story->start_us, kRunning, plan);  // else only its end is told
  int64_t last_sign_us = story->start_us;
  if (job.beats) {
    const int64_t every_us = std::max(kMinuteUs, duration_us / 6);
    for (int64_t beat_us = story->start_us + every_us; beat_us < end_us; beat_us += every_us) {
      v1::RunEvent& run = *Add(job, story, beat_us, kRunning, plan).event.mutable_run();
      run.set_heartbeat(true);
      if (random_.Chance(0.3)) {  // a heartbeat needs no status
        run.clear_status();
        run.clear_source_status();
      }
      last_sign_us = beat_us;
    }
  }
  if (!story->history && random_.Chance(options_.crashes)) return TellCrash(job, story, last_sign_us, plan);
  TellEnd(job, story, end_us, plan);
}

void Planner::TellEnd(const JobProfile& job, RunStory* story, int64_t end_us, std::vector<PlannedEvent>* plan) {
  const int status = DrawStatus(job);
  Add(job, story, end_us, status, plan);
  if (random_.Chance(options_.corrections)) {
    const int other = status == kFailed ? kSuccess : kFailed;
    // Later by its time, or, where the job numbers its events, by its number alone.
    const int64_t by_us = job.keeps_sequence && random_.Chance(0.3) ? 0 : random_.Between(1, kMinuteUs);
    Add(job, story, end_us + by_us, other, plan);
    return;
  }
  if (status != kFailed || story->attempt >= 4 || !random_.Chance(options_.retries)) return;
  RunStory retry = *story;
  retry.attempt = std::max(story->attempt, 1) + 1;
  retry.sequence = 0;
  retry.start_us = end_us + random_.Between(kSecondUs, 2 * kMinuteUs);
  TellRun(job, &retry, plan);
}

// It stops without a word. Some are closed by runledger, and some of those turn out to have ended after all.
void Planner::TellCrash(const JobProfile& job, RunStory* story, int64_t last_sign_us, std::vector<PlannedEvent>* plan) {
  const int64_t due_us = last_sign_us + 4 * kHourUs + 1;
  const auto told = [&](const PlannedEvent& planned) { return planned.tally == story->tally; };
  if (std::none_of(plan->begin(), plan->end(), told) || !random_.Chance(0.3)) return;
  PlannedEvent& closing = Add(job, story, due_us, kFailed, plan);
  v1::RunEvent& run = *closing.event.mutable_run();
  run.set_status(v1::FAILED);
  run.set_source_status(kOwnWord);
  run.set_errors(
      R"([{"error_type": "stale_running_cleanup", "error_message": "marked as failed after 4 hours stuck in running state"}])");
  const std::string subject = run.job_name() + '\0' + run.run_id() + '\0' + std::to_string(run.attempt());
  closing.event.set_event_id(OwnEventIdOf(kOwnWord, subject, due_us));
  closing.sent.rank = 1;
  // It is written after what it decides on has been read, which may have been late.
  for (const PlannedEvent& before : *plan) closing.send_at_us = std::max(closing.send_at_us, before.send_at_us + kMsUs);
  if (!random_.Chance(0.5)) return;
  const int64_t closed_at_us = closing.send_at_us;
  PlannedEvent& ended = Add(job, story, last_sign_us + kMinuteUs, kSuccess, plan);
  ended.send_at_us = closed_at_us + random_.Between(kSecondUs, 10 * kMinuteUs);
}

// Some events are sent twice, as they are.
void Planner::Repeat(std::vector<PlannedEvent>* plan) {
  const size_t count = plan->size();
  for (size_t i = 0; i < count; ++i) {
    if (!random_.Chance(options_.duplicates)) continue;
    PlannedEvent again = (*plan)[i];
    again.send_at_us += static_cast<int64_t>(random_.Exponential(static_cast<double>(options_.span_us) / 200));
    plan->push_back(std::move(again));
  }
}

std::vector<PlannedEvent> Planner::PlanRun(int64_t start_us, size_t limit) {
  start_us =
      std::min(start_us + random_.Between(0, std::max<int64_t>(999, options_.span_us / options_.events)), end_us());
  const JobProfile& job = catalogue_[catalogue_.Draw(&random_)];
  RunStory story;
  story.run_id = NextRunId(job, start_us);
  story.attempt = job.tells_attempt ? 1 : 0;
  story.start_us = start_us;
  story.data_date = static_cast<int32_t>(start_us / kDayUs - random_.Between(0, 2));
  if (random_.Chance(0.6))
    story.trigger_message_id = std::to_string(random_.Between(10'000'000'000'000'000, 19'999'999'999'999'999));
  std::vector<PlannedEvent> plan;
  TellRun(job, &story, &plan);
  Repeat(&plan);

  std::vector<PlannedEvent> happens;
  for (PlannedEvent& planned : plan) {
    if (happens.size() < limit && planned.event.event_time_us() <= end_us()) happens.push_back(std::move(planned));
  }
  if (happens.empty())
    Add(job, &story, start_us, kRunning, &happens);  // only an end would have been told, and has not come
  for (PlannedEvent& planned : happens) ++planned.tally->outstanding;
  return happens;
}

std::vector<PlannedEvent> Planner::PlanHistory(int64_t now_us, size_t limit) {
  const JobProfile& job = catalogue_[catalogue_.Draw(&random_)];
  RunStory story;
  story.start_us = now_us - options_.horizon_us - random_.Between(2 * kDayUs, 40 * kDayUs);
  story.run_id = NextRunId(job, story.start_us);
  story.attempt = job.tells_attempt ? 1 : 0;
  story.history = true;
  story.marked = !options_.append_time || random_.Chance(0.5);
  story.data_date = static_cast<int32_t>(story.start_us / kDayUs);
  std::vector<PlannedEvent> plan;
  TellRun(job, &story, &plan);
  for (PlannedEvent& planned : plan) planned.send_at_us = now_us + Delay();
  if (plan.size() > limit) plan.resize(limit);
  return plan;
}

std::string CompactDate(int64_t time_us) {
  std::string text = DateText(static_cast<int32_t>(time_us / kDayUs));
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  return text;
}

std::string CompactTime(int64_t time_us) {
  const auto second = static_cast<int>(time_us / kSecondUs % 86'400);
  char text[16];
  std::snprintf(text, sizeof text, "%02d%02d%02d", second / 3600, second / 60 % 60, second % 60);
  return text;
}

}  // namespace runledger::tools
