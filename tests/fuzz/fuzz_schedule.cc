// Schedules as a configuration may have them: a line of the text, and where there are more, of the zone, of the start
// of the work day, and of an excluded date. What is taken must give ticks that rise, and a first one where dates are
// not excluded.
#include <cstdint>
#include <string>

#include "aggregators/schedule/cron_expression.h"
#include "aggregators/schedule/schedule.h"
#include "fuzz/check.h"

namespace {

// The next line of the text, which loses it.
std::string TakeLine(std::string& text) {
  const size_t end = text.find('\n');
  const std::string line = text.substr(0, end);
  text = end == std::string::npos ? std::string() : text.substr(end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using runledger::aggregators::CronExpression;
  using runledger::aggregators::Schedule;
  constexpr int64_t kFrom =
      int64_t{1'772'900'000} * 1'000'000;  // a week in March 2026, with a change of New York's clock
  constexpr int64_t kTo = kFrom + int64_t{7 * 86'400} * 1'000'000;
  std::string text(reinterpret_cast<const char*>(data), size);
  runledger::aggregators::ScheduleSettings settings;
  settings.text = TakeLine(text);
  const auto cron = CronExpression::Parse(settings.text);
  if (const std::string zone = TakeLine(text); !zone.empty()) settings.time_zone = zone;
  if (const std::string starts = TakeLine(text); !starts.empty()) settings.day_starts_at = starts;
  if (const std::string date = TakeLine(text); !date.empty()) settings.exclude.push_back(date);
  const auto schedule = Schedule::Parse(settings);
  if (!schedule.ok()) return 0;
  if (cron.ok()) FUZZ_CHECK(cron->pattern() == schedule->pattern());
  if (settings.exclude.empty()) FUZZ_CHECK(schedule->Next(kFrom).has_value());
  int64_t last = kFrom - 1;
  schedule->ForEachTick(kFrom, kTo, [&](const Schedule::Tick& tick) {
    FUZZ_CHECK(tick.time_us > last && tick.time_us < kTo);
    last = tick.time_us;
    return true;
  });
  return 0;
}
