#include "aggregators/orchestration/day_plan.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "codecs/event.h"
#include "codecs/hash.h"
#include "codecs/inflate.h"
#include "codecs/wire.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;

std::string TextOf(const DateSet& dates) {
  std::string text;
  for (const int32_t date : dates) absl::StrAppend(&text, date, ",");
  return text;
}

std::string VersionOf(const Schedule& schedule) {
  const WorkDays& days = schedule.work_days();
  const std::string text = absl::StrCat(schedule.text(), "\n", schedule.zone().name(), "\n", days.day_starts_at, "\n",
                                        days.data_date_offset, "\n", days.only ? TextOf(*days.only) : "all", "\n",
                                        TextOf(days.include), "\n", TextOf(days.exclude));
  return absl::StrCat(absl::Hex(codecs::Hash64(text), absl::kZeroPad16));
}

}  // namespace

DayPlan::DayPlan(Schedule schedule, int generate_at)
    : schedule_(std::move(schedule)), generate_at_(generate_at), version_(VersionOf(schedule_)) {}

int64_t DayPlan::MadeAt(int32_t day) const { return schedule_.zone().TimeOf(day, generate_at_); }

int32_t DayPlan::NewestDay(int64_t time_us) const {
  const int32_t today = LocalDay(time_us, schedule_.zone());
  return MadeAt(today) <= time_us ? today : today - 1;
}

std::vector<int64_t> DayPlan::TicksOf(int32_t day) const {
  const Schedule::Window window = schedule_.WorkDayWindow(day);
  std::vector<int64_t> ticks;
  // With the minute after it: a tick that makes up for the day's last minutes may come then.
  schedule_.ForEachTick(window.start_us, window.end_us + kMinuteUs, [&](const Schedule::Tick& tick) {
    if (tick.work_day == day) ticks.push_back(tick.time_us);
    return true;
  });
  return ticks;
}

std::string MadeEventId(std::string_view workflow, int64_t due_us) {
  return codecs::OwnEventId("expected", workflow, due_us);
}

// Field numbers are those of event.proto.
std::string EncodeExpectedDay(const ExpectedDay& day) {
  std::string batch;
  codecs::WireWriter events(&batch);
  for (const int64_t tick_us : day.ticks) {
    std::string body;
    codecs::WireWriter fields(&body);
    fields.Bytes(1, day.workflow);
    fields.Int64(3, day.day);
    fields.Int64(4, tick_us);
    fields.Bytes(5, day.reason);
    fields.Int64(6, day.made_at_us);
    if (!day.priority.empty()) fields.Bytes(8, day.priority);
    fields.Bytes(9, day.schedule_version);
    fields.Bytes(10, "runledger");
    std::string event;
    codecs::WireWriter head(&event);
    head.Bytes(1, MadeEventId(day.workflow, tick_us));
    head.Int64(2, day.made_at_us);
    head.Bytes(static_cast<uint32_t>(codecs::Body::kExpected), body);
    events.Bytes(1, event);
  }
  return codecs::Deflate(batch, /*level=*/3);
}

}  // namespace runledger::aggregators
