#include "tools/runledger/job_settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "aggregators/schedule/schedule_words.h"

namespace runledger::tools {
namespace {

using aggregators::DayStatus;
using aggregators::DayStatusSet;
using aggregators::PublicationWindow;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "processor_name = 'gamebook'" names gamebook.
std::optional<std::string> JobOfFilter(std::string_view filter) {
  filter = Trim(filter);
  for (const std::string_view column : {"processor_name", "scraper_name", "job_name"}) {
    if (!filter.starts_with(column)) continue;
    std::string_view rest = Trim(filter.substr(column.size()));
    if (!rest.starts_with('=')) return std::nullopt;
    rest = Trim(rest.substr(rest.starts_with("==") ? 2 : 1));
    if (rest.size() < 3 || (rest.front() != '\'' && rest.front() != '"') || rest.back() != rest.front())
      return std::nullopt;
    const std::string name(rest.substr(1, rest.size() - 2));
    if (name.find_first_of("'\"*%") != std::string::npos) return std::nullopt;
    return name;
  }
  return std::nullopt;
}

// "06:30": minutes of the day.
std::optional<int> MinuteOf(std::string_view text) {
  int hour = 0, minute = 0;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto h = std::from_chars(text.data(), text.data() + 2, hour);
  const auto m = std::from_chars(text.data() + 3, text.data() + 5, minute);
  if (h.ec != std::errc() || h.ptr != text.data() + 2 || m.ec != std::errc() || m.ptr != text.data() + 5)
    return std::nullopt;
  if (hour < 0 || minute < 0 || minute > 59 || hour * 60 + minute >= aggregators::kMinutesOfDay) return std::nullopt;
  return hour * 60 + minute;
}

std::optional<PublicationWindow> WindowOf(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto from = MinuteOf(Trim(text.substr(0, dash)));
  const auto to = MinuteOf(Trim(text.substr(dash + 1)));
  if (!from || !to || *from == *to) return std::nullopt;
  return PublicationWindow{*from, *to};
}

DayStatusSet StatusesOf(const std::string& key, const std::vector<std::string>& words, bool of_runs,
                        const EntryProblem& problem) {
  DayStatusSet set = {};
  for (const std::string& word : words) {
    const auto status = aggregators::DayStatusFromName(word);
    const bool permitted = status && *status != DayStatus::kUnknown && (!of_runs || *status <= DayStatus::kAborted);
    if (permitted) {
      set.Add(*status);
      continue;
    }
    std::string all;
    for (const DayStatus known : aggregators::kAllDayStatuses) {
      if (known == DayStatus::kUnknown || (of_runs && known > DayStatus::kAborted)) continue;
      all += (all.empty() ? "" : ", ") + std::string(aggregators::DayStatusName(known));
    }
    problem(key, "'" + word + "' is not one of " + all);
  }
  return set;
}

// A key of ours and one of earlier days may stand in one entry only if they say the same.
template <typename T>
void TakeOver(const std::string& theirs, const T& value, const std::string& ours, const T& inherited, T* target,
              const EntryProblem& problem) {
  if (*target != inherited && *target != value)
    return problem(theirs, "says something else than " + ours + "; leave one of them out");
  *target = value;
}

// The schedule of an entry, if it has one, and its zone.
std::optional<aggregators::Schedule> ScheduleOf(aggregators::ScheduleSettings settings, const std::string& default_zone,
                                                const aggregators::Calendars& calendars,
                                                aggregators::TimeZone* its_zone, const EntryProblem& problem) {
  if (settings.time_zone.empty()) settings.time_zone = default_zone;
  auto zone = aggregators::TimeZone::Load(settings.time_zone);
  if (!zone.ok()) {
    problem("time_zone", std::string(zone.status().message()));
    return std::nullopt;
  }
  *its_zone = *std::move(zone);
  if (settings.text.empty()) {
    const aggregators::ScheduleSettings none;
    if (!settings.only.empty() || !settings.include.empty() || !settings.exclude.empty() ||
        settings.day_starts_at != none.day_starts_at || settings.data_date_offset != 0)
      problem("schedule", "is missing: only, include, exclude, day_starts_at and data_date_offset say more of it");
    return std::nullopt;
  }
  auto schedule = aggregators::Schedule::Parse(settings, calendars);
  if (schedule.ok()) return *std::move(schedule);
  problem("schedule", std::string(schedule.status().message()));
  return std::nullopt;
}

}  // namespace

void TakeSeedKeys(const JobEntry& inherited, JobEntry* entry, std::string* name, const EntryProblem& problem) {
  const JobEntry::Seeds seeds = std::exchange(entry->seeds, {});
  if (!seeds.expected_frequency.empty())
    TakeOver("expected_frequency", seeds.expected_frequency, "schedule", inherited.schedule.text, &entry->schedule.text,
             problem);
  if (seeds.staleness_threshold_days > 0)
    TakeOver("staleness_threshold_days", seeds.staleness_threshold_days * kDayUs, "staleness_threshold",
             inherited.policy.staleness_threshold_us, &entry->policy.staleness_threshold_us, problem);
  if (!seeds.date_field.empty()) entry->policy.date_is_start = seeds.date_field == "started_at";
  if (!seeds.status_field.empty() && seeds.status_field != "status")
    problem("status_field", "'" + seeds.status_field + "' is not status, in which runs have their status here");
  if (!seeds.execution_table.empty()) {
    const std::string table = seeds.execution_table.substr(seeds.execution_table.rfind('.') + 1);
    if (table != "processor_run_history" && table != "scraper_execution_log" && table != "prediction_worker_runs")
      problem("execution_table", "'" + seeds.execution_table +
                                     "' is none of the tables whose runs are here: processor_run_history, "
                                     "scraper_execution_log, prediction_worker_runs");
  }
  if (seeds.processor_filter.empty()) return;
  const auto job = JobOfFilter(seeds.processor_filter);
  if (!job) {
    return problem("processor_filter", "'" + seeds.processor_filter +
                                           "' does not name one job; write processor_name = 'NAME', or leave it out "
                                           "and call the entry as the job");
  }
  if (*name == "defaults") return problem("processor_filter", "names one job, and defaults are of all");
  if (*job != *name) entry->policy.key = std::exchange(*name, *job);
}

aggregators::JobPolicy PolicyOf(const JobEntry& entry, const std::string& default_zone,
                                const aggregators::Calendars& calendars, const EntryProblem& problem) {
  aggregators::JobPolicy policy = entry.policy;
  policy.enabled = entry.enabled == "true";
  policy.revenue_impact = entry.revenue_impact == "true";
  policy.lookback_days = static_cast<int>(entry.lookback_days);
  policy.max_retries = static_cast<int>(entry.max_retries);
  policy.flapping_changes = static_cast<int>(entry.flapping_changes);
  policy.success_counts = StatusesOf("success_counts", entry.success_counts, /*of_runs=*/true, problem);
  policy.safe_statuses = StatusesOf("safe_statuses", entry.safe_statuses, /*of_runs=*/false, problem);

  const std::string& factor = entry.long_running_factor;
  double number = 0;
  const auto parsed = std::from_chars(factor.data(), factor.data() + factor.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != factor.data() + factor.size() || !(number == 0 || number >= 1) ||
      number > 1e6) {
    problem("long_running_factor", "'" + factor + "' is not 0, and no number from 1 to 1000000");
  } else {
    policy.long_running_factor = number;
  }
  policy.publication_window.reset();
  if (!entry.publication_window.empty()) {
    policy.publication_window = WindowOf(entry.publication_window);
    if (!policy.publication_window)
      problem("publication_window", "'" + entry.publication_window + "' is not a span of a day like 11:00-15:00");
  }

  aggregators::ScheduleSettings settings = entry.schedule;
  settings.data_date_offset = static_cast<int>(entry.data_date_offset);
  policy.schedule = ScheduleOf(std::move(settings), default_zone, calendars, &policy.time_zone, problem);
  return policy;
}

aggregators::WorkflowPolicy PolicyOf(const WorkflowEntry& entry, const std::string& default_zone,
                                     const aggregators::Calendars& calendars, const EntryProblem& problem) {
  aggregators::WorkflowPolicy policy = entry.policy;
  policy.enabled = entry.enabled == "true";
  policy.time_zone = entry.schedule.time_zone;
  const absl::StatusOr<int> generate_at = aggregators::ParseTimeOfDay(entry.generate_at);
  if (!generate_at.ok()) problem("generate_at", std::string(generate_at.status().message()));
  aggregators::TimeZone zone;
  auto schedule = ScheduleOf(entry.schedule, default_zone, calendars, &zone, problem);
  if (schedule && generate_at.ok()) policy.plan.emplace(*std::move(schedule), *generate_at);
  return policy;
}

}  // namespace runledger::tools
