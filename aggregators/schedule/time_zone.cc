#include "aggregators/schedule/time_zone.h"

#include <algorithm>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "codecs/civil_time.h"
#include "codecs/limits.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr absl::CivilSecond kEpoch(1970, 1, 1);

int64_t OnTheCalendar(int64_t time_us) { return std::clamp(time_us, codecs::kMinTimestampUs, codecs::kMaxTimestampUs); }

// abseil also takes the host's own zone, fixed offsets and paths of files by name; none of them is a zone of the
// database, and a schedule must not depend on where the program runs.
bool IsNameOfDatabase(std::string_view name) {
  if (name.empty() || name.size() > 100 || name == "localtime" || name.starts_with("Fixed/")) return false;
  if (name.front() == '/' || name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '+' || c == '-';
  });
}

}  // namespace

struct TimeZone::Rules {
  std::string name;
  absl::TimeZone zone;
};

TimeZone::TimeZone() {
  static const auto& utc = *new std::shared_ptr<const Rules>(new Rules{"UTC", absl::UTCTimeZone()});
  rules_ = utc;
}

absl::StatusOr<TimeZone> TimeZone::Load(std::string_view name) {
  absl::TimeZone zone;
  if (!IsNameOfDatabase(name) || !absl::LoadTimeZone(std::string(name), &zone)) {
    return absl::NotFoundError(absl::StrCat("the time zone database has no \"",
                                            absl::CEscape(std::string(name.substr(0, 100))),
                                            "\"; it needs a name as America/New_York or UTC"));
  }
  TimeZone loaded;
  loaded.rules_ = std::make_shared<const Rules>(Rules{std::string(name), zone});
  return loaded;
}

const std::string& TimeZone::name() const { return rules_->name; }

int64_t TimeZone::OffsetAt(int64_t time_us) const {
  return rules_->zone.At(absl::FromUnixMicros(OnTheCalendar(time_us))).offset * kSecondUs;
}

TimeZone::Span TimeZone::SpanAt(int64_t time_us) const {
  const absl::TimeZone& zone = rules_->zone;
  const absl::Time time = absl::FromUnixMicros(OnTheCalendar(time_us));
  const int64_t offset_us = OffsetAt(time_us);
  const int64_t offset = offset_us / kSecondUs;
  Span span{std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), offset_us, offset_us};
  // Some transitions change a zone's name alone; the clock goes on through them. The search takes whole seconds.
  absl::TimeZone::CivilTransition change;
  absl::Time at = absl::FromUnixSeconds(absl::ToUnixSeconds(time) + 1);
  while (zone.PrevTransition(at, &change)) {
    const int64_t start = (change.to - kEpoch) - offset;
    at = absl::FromUnixSeconds(start);
    if (change.from == change.to) continue;
    span.start_us = start * kSecondUs;
    span.previous_offset_us = ((change.from - kEpoch) - start) * kSecondUs;
    break;
  }
  at = time;
  while (zone.NextTransition(at, &change)) {
    const int64_t end = (change.from - kEpoch) - offset;
    at = absl::FromUnixSeconds(end);
    if (change.from == change.to) continue;
    span.end_us = end * kSecondUs;
    break;
  }
  return span;
}

int64_t TimeZone::TimeOf(int32_t date, int minute_of_day) const {
  const absl::CivilDay day = absl::CivilDay(kEpoch) + std::clamp(date, codecs::kMinDate, codecs::kMaxDate);
  const absl::TimeZone::TimeInfo info = rules_->zone.At(absl::CivilSecond(day) + int64_t{60} * minute_of_day);
  return absl::ToUnixMicros(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
}

int32_t LocalDay(int64_t time_us, const TimeZone& zone) {
  const int64_t time = OnTheCalendar(time_us);
  return codecs::DayOf(time + zone.OffsetAt(time));
}

int64_t DayStart(int32_t date, const TimeZone& zone) { return zone.TimeOf(date, 0); }

int64_t DayEnd(int32_t date, const TimeZone& zone) {
  return DayStart(std::clamp(date, codecs::kMinDate, codecs::kMaxDate) + 1, zone);
}

}  // namespace runledger::aggregators
