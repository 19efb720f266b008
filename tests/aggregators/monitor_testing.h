#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "aggregators/day_verdicts.h"
#include "codecs/civil_time.h"
#include "codecs/hash.h"

namespace runledger::aggregators {

// What tests of verdicts on dates need.

inline int64_t At(const std::string& rfc3339) {
  const auto time = codecs::ParseRfc3339(rfc3339);
  EXPECT_TRUE(time) << rfc3339;
  return time.value_or(0);
}
inline int32_t Date(const std::string& text) {
  const auto date = codecs::ParseDate(text);
  EXPECT_TRUE(date) << text;
  return date.value_or(0);
}

inline JobPolicy Scheduled(const std::string& schedule, const std::string& zone = "UTC") {
  JobPolicy policy;
  ScheduleSettings settings;
  settings.text = schedule;
  settings.time_zone = zone;
  auto parsed = Schedule::Parse(settings);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (parsed.ok()) {
    policy.schedule = *parsed;
    policy.time_zone = parsed->zone();
  }
  return policy;
}

inline JobPolicy InZone(const std::string& zone) {
  JobPolicy policy;
  auto loaded = TimeZone::Load(zone);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  if (loaded.ok()) policy.time_zone = *loaded;
  return policy;
}

// A log that has been read since long ago, up to this moment.
inline Knowledge KnownUpTo(int64_t watermark_us) {
  Knowledge known;
  known.watermark_us = watermark_us;
  known.caught_up = true;
  known.began_us = watermark_us - 200 * kDayUs;
  known.log_day = codecs::DayOf(watermark_us);
  known.days_kept = 30;
  return known;
}

// Facts as a day table would have them: attempts one after the other.
class FactsMaker {
 public:
  explicit FactsMaker(std::string name = "job") { facts_.name = std::move(name); }

  FactsMaker& Ran(const std::string& date, codecs::Status status, int64_t time_us = 1) {
    table_->Add(0, Date(date), {next_, next_}, status, time_us, &hint_);
    ++next_;
    dates_.insert(Date(date));
    facts_.block.live = true;
    if (status == codecs::Status::kSuccess)
      facts_.block.last_success_us = std::max(facts_.block.last_success_us, time_us);
    facts_.first_event_us = std::min(facts_.first_event_us, time_us);
    return *this;
  }
  FactsMaker& Running(const std::string& date, const std::string& run_id, int64_t since_us, bool stale) {
    Ran(date, codecs::Status::kRunning, since_us);
    facts_.open.push_back({run_id, 0, Date(date), since_us, stale});
    return *this;
  }
  // Ended without naming a date.
  FactsMaker& EndedWithoutDate(codecs::Status status, int64_t time_us) {
    facts_.block.live = true;
    int64_t& last = status == codecs::Status::kSuccess ? facts_.block.last_success_us : facts_.block.last_failure_us;
    last = std::max(last, time_us);
    facts_.first_event_us = std::min(facts_.first_event_us, time_us);
    return *this;
  }
  FactsMaker& LastAttemptAt(int64_t start_us) {
    facts_.last_attempt_start_us = start_us;
    return *this;
  }
  JobFacts Make() {
    facts_.days.clear();
    for (const int32_t date : dates_) facts_.days.push_back({date, *table_->Find(0, date)});
    return facts_;
  }

 private:
  JobFacts facts_;
  std::shared_ptr<DayTable> table_ = std::make_shared<DayTable>(30);
  DayTable::Hint hint_;
  std::set<int32_t> dates_;
  uint64_t next_ = 1;
};

}  // namespace runledger::aggregators
