#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>
#include <set>

#include "aggregators/orchestration/day_plan.h"
#include "aggregators/whole_snapshot.h"
#include "aggregators/workflow_feed.h"
#include "codecs/civil_time.h"
#include "codecs/inflate.h"

// Expected runs that are made from the schedules of the configuration. The day is Monday, 2026-01-12 in New York.

namespace runledger::aggregators {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int32_t kDate = 20'465;

DayPlan Plan(const std::string& text, const std::function<void(ScheduleSettings*)>& more = {},
             const Calendars& calendars = {}, int generate_at = 5 * 60) {
  ScheduleSettings settings;
  settings.text = text;
  settings.time_zone = "America/New_York";
  if (more) more(&settings);
  const auto schedule = Schedule::Parse(settings, calendars);
  EXPECT_TRUE(schedule.ok()) << schedule.status();
  return DayPlan(*schedule, generate_at);
}

WorkflowPolicies Planned(const std::string& text, const std::string& name = "w") {
  WorkflowPolicy policy;
  policy.time_zone = "America/New_York";
  policy.priority = "HIGH";
  policy.plan = Plan(text);
  return WorkflowPolicies({}, {{name, policy}});
}

// A shard whose owner writes what is due.
class PlanFeed : public WorkflowFeed {
 public:
  explicit PlanFeed(const std::string& text, const std::string& name = "w") : WorkflowFeed(Planned(text, name)) {
    shard->SetWorkflowHome([](std::string_view) { return true; }, /*configured=*/true);
    Pass(kDayStart - 20 * kDayUs);
  }
  std::vector<ExpectedDay> Due(int64_t watermark_us) {
    shard->AdvanceWatermark(watermark_us);
    return shard->DaysToMake(100);
  }
  // Writes what is due until nothing is; the days, in their order.
  std::vector<int32_t> Make(int64_t watermark_us) {
    std::vector<int32_t> made;
    for (std::vector<ExpectedDay> due = Due(watermark_us); !due.empty(); due = Due(watermark_us)) {
      for (const ExpectedDay& day : due) {
        FoldValue(watermark_us, EncodeExpectedDay(day));
        made.push_back(day.day);
      }
      if (made.size() > 100) break;
    }
    return made;
  }
  void Configure(const std::string& text) {
    shard->SetWorkflowPolicies(std::make_shared<WorkflowPolicies>(Planned(text)));
  }
  // "09:00" for each row of the date, by the clock of New York in winter.
  std::vector<std::string> Times(int32_t date = kDate) {
    std::vector<std::string> times;
    for (const ExpectedInfo& info :
         shard->FindExpected({.date = date, .subject = "w", .time_zone = "America/New_York"})) {
      const int64_t minutes = (info.due_us - kDayStart - (date - kDate) * kDayUs) / kMinuteUs;
      char text[16];
      std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(minutes / 60), static_cast<int>(minutes % 60));
      times.push_back(text);
    }
    return times;
  }
};

std::vector<v1::Event> Decoded(const std::string& value) {
  codecs::Inflater inflater;
  codecs::Rejection rejection;
  std::string_view content;
  EXPECT_TRUE(inflater.Inflate(value, 1 << 22, &content, &rejection)) << rejection.text;
  v1::EventBatch batch;
  EXPECT_TRUE(batch.ParseFromString(std::string(content)));
  return {batch.events().begin(), batch.events().end()};
}

// 2026: 8 March has 23 hours in New York, 1 November 25.
constexpr int32_t kShort = 20'520, kLong = 20'758;

TEST(DayPlan, DaysOnWhichTheClockIsChanged) {
  EXPECT_THAT(Plan("hourly at :05").TicksOf(kDate), SizeIs(24));
  EXPECT_THAT(Plan("hourly at :05").TicksOf(kShort), SizeIs(23));
  EXPECT_THAT(Plan("hourly at :05").TicksOf(kLong), SizeIs(25));
  EXPECT_THAT(Plan("* * * * *").TicksOf(kLong), SizeIs(kMostTicksOfDay));
  // 02:30 is skipped: it ticks at 03:00, summer time.
  const int64_t made_up = Plan("30 2 * * *").TicksOf(kShort).at(0);
  EXPECT_EQ(made_up, (int64_t{kShort} * 24 + 7) * kHourUs);
  EXPECT_THAT(Plan("30 1 * * *").TicksOf(kLong), SizeIs(1)) << "01:30 is shown twice";
}

TEST(DayPlan, NoTickIsOfTwoDaysOrOfNone) {
  for (const char* zone : {"America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "UTC"}) {
    for (const char* text : {"hourly", "30 0 * * *", "*/7 23,0 * * *", "weekdays at 23:59"}) {
      const DayPlan plan = Plan(text, [&](ScheduleSettings* s) {
        s->time_zone = zone;
        s->day_starts_at = std::string(text) == "hourly" ? "06:00" : "00:00";
      });
      std::vector<int64_t> by_day;
      for (int32_t day = 15'000; day < 15'800; ++day) {
        for (const int64_t tick : plan.TicksOf(day)) by_day.push_back(tick);
      }
      std::vector<int64_t> all;
      for (const Schedule::Tick& tick : plan.schedule().TicksBetween(14'998 * kDayUs, 15'803 * kDayUs)) {
        if (tick.work_day >= 15'000 && tick.work_day < 15'800) all.push_back(tick.time_us);
      }
      EXPECT_EQ(by_day, all) << zone << " " << text;
    }
  }
}

TEST(DayPlan, ADayIsMadeAtItsTimeByTheClock) {
  const DayPlan plan = Plan("daily");
  EXPECT_EQ(plan.MadeAt(kDate), At(5, 0));
  EXPECT_EQ(plan.NewestDay(At(5, 0) - 1), kDate - 1);
  EXPECT_EQ(plan.NewestDay(At(5, 0)), kDate);
  EXPECT_EQ(plan.MadeAt(kShort), (int64_t{kShort} * 24 + 9) * kHourUs) << "05:00 summer time";
  EXPECT_EQ(plan.MadeAt(kLong), (int64_t{kLong} * 24 + 10) * kHourUs);
}

TEST(DayPlan, ItsVersionIsThatOfWhatItSays) {
  const std::string version = Plan("daily").version();
  EXPECT_EQ(version.size(), 16u);
  EXPECT_EQ(Plan("daily").version(), version);
  EXPECT_EQ(Plan("daily", {}, {}, 6 * 60).version(), version) << "when it is made is not what is expected";
  std::set<std::string> versions = {version};
  versions.insert(Plan("daily at 00:01").version());
  versions.insert(Plan("daily", [](ScheduleSettings* s) { s->time_zone = "UTC"; }).version());
  versions.insert(Plan("daily", [](ScheduleSettings* s) { s->day_starts_at = "06:00"; }).version());
  for (const int32_t day : {1, 2}) {
    const Calendars calendars = {{"days", {day}}};
    versions.insert(Plan(
                        "daily", [](ScheduleSettings* s) { s->only = {"days"}; }, calendars)
                        .version());
    versions.insert(Plan(
                        "daily", [](ScheduleSettings* s) { s->include = {"days"}; }, calendars)
                        .version());
    versions.insert(Plan(
                        "daily", [](ScheduleSettings* s) { s->exclude = {"days"}; }, calendars)
                        .version());
  }
  EXPECT_THAT(versions, SizeIs(10));
}

TEST(DaysMade, TheRunsOfADayAreMadeTogetherAtItsTime) {
  PlanFeed feed("daily at 02:00,09:00");
  ASSERT_THAT(feed.Make(At(4, 0)), IsEmpty()) << "of the day before only what was still to come";
  EXPECT_THAT(feed.Due(At(5, 0) - 1), IsEmpty());
  const std::vector<ExpectedDay> due = feed.Due(At(5, 0));
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].workflow, "w");
  EXPECT_EQ(due[0].day, kDate);
  EXPECT_THAT(due[0].ticks, ElementsAre(At(2, 0), At(9, 0)));
  EXPECT_THAT(feed.Due(At(5, 1)), SizeIs(1)) << "until they are read back";

  const std::vector<v1::Event> events = Decoded(EncodeExpectedDay(due[0]));
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].event_id(), codecs::OwnEventId("expected", "w", At(9, 0)));
  EXPECT_EQ(events[1].event_time_us(), At(5, 0));
  const v1::ExpectedRun& row = events[1].expected();
  EXPECT_EQ(row.workflow(), "w");
  EXPECT_EQ(row.expected_date(), kDate);
  EXPECT_EQ(row.expected_run_time_us(), At(9, 0));
  EXPECT_EQ(row.locked_at_us(), At(5, 0));
  EXPECT_EQ(row.priority(), "HIGH");
  EXPECT_EQ(row.schedule_version(), Plan("daily at 02:00,09:00").version());
  EXPECT_EQ(row.generated_by(), "runledger");
  EXPECT_EQ(row.reason(), "schedule: daily at 02:00,09:00");

  feed.FoldValue(At(5, 1), EncodeExpectedDay(due[0]));
  EXPECT_THAT(feed.Due(At(23, 59)), IsEmpty());
  feed.FoldValue(At(5, 2), EncodeExpectedDay(due[0]));  // somebody else wrote it, too
  EXPECT_THAT(feed.Times(), ElementsAre("02:00", "09:00"));
  EXPECT_THAT(feed.Due(At(29, 0) - 1), IsEmpty());
  EXPECT_THAT(feed.Make(At(29, 0)), ElementsAre(kDate + 1));
}

TEST(DaysMade, TheyAreMatchedWithDecisionsAsAnyOthers) {
  PlanFeed feed("daily at 02:00,09:00,12:00");
  feed.Fold(DecisionEvent("w", "RUN", At(2, 10)));  // before anybody had said that it is expected
  feed.Make(At(5, 0));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 31)));
  EXPECT_THAT(feed.Words(At(13, 1)), ElementsAre("02:00 on_time", "09:00 late", "12:00 missing"));
  feed.Block(At(13, 6));
  EXPECT_EQ(feed.WriteVerdicts(At(14, 0)), 3u);
  EXPECT_THAT(feed.Of("w", At(14, 0)).verdicts, ElementsAre(1, 0, 1, 1));
}

TEST(DaysMade, AnotherConfigurationDoesNotChangeWhatIsMade) {
  PlanFeed feed("daily at 09:00");
  feed.Make(At(5, 0));
  feed.Configure("daily at 18:00");
  EXPECT_THAT(feed.Make(At(12, 0)), IsEmpty());
  EXPECT_THAT(feed.Times(), ElementsAre("09:00"));
  EXPECT_THAT(feed.Make(At(29, 0)), ElementsAre(kDate + 1));
  EXPECT_THAT(feed.Times(kDate + 1), ElementsAre("18:00"));
}

TEST(DaysMade, ANewDayHasTheWholeOfANewSchedule) {
  PlanFeed feed("daily at 09:00");
  feed.Make(At(5, 0));
  feed.Configure("hourly");
  feed.Make(At(29, 30));  // not quite in time
  EXPECT_THAT(feed.Times(kDate + 1), SizeIs(24));
}

TEST(DaysMade, WhatIsConfiguredAtNoonIsExpectedFromNoonOn) {
  PlanFeed feed("hourly");
  EXPECT_THAT(feed.Make(At(12, 0)), ElementsAre(kDate));
  EXPECT_THAT(feed.Times(), SizeIs(11));
  EXPECT_EQ(feed.Times().front(), "13:00");
  feed.Make(At(29, 0));
  EXPECT_THAT(feed.Times(kDate + 1), SizeIs(24));
}

TEST(DaysMade, TheFirstRecordOfADayHolds) {
  PlanFeed first("daily at 09:00"), second("daily at 18:00");
  const ExpectedDay by_first = first.Due(At(5, 0)).at(0), by_second = second.Due(At(5, 0)).at(0);
  for (PlanFeed* feed : {&first, &second}) {
    feed->FoldValue(At(5, 1), EncodeExpectedDay(by_second));
    feed->FoldValue(At(5, 1), EncodeExpectedDay(by_first));
    EXPECT_THAT(feed->Times(), ElementsAre("18:00"));
    EXPECT_THAT(feed->Due(At(5, 2)), IsEmpty());
  }
  // The same schedule, looked at later: of the day less was still to come.
  PlanFeed feed("hourly");
  const ExpectedDay earlier = feed.Due(At(12, 0)).at(0), later = feed.Due(At(14, 30)).at(0);
  feed.FoldValue(At(14, 31), EncodeExpectedDay(later));
  feed.FoldValue(At(14, 31), EncodeExpectedDay(earlier));
  EXPECT_EQ(feed.Times().front(), "15:00");
  // One of a day before that comes now.
  const ExpectedDay tomorrow = feed.Due(At(29, 0)).at(0);
  feed.FoldValue(At(29, 0), EncodeExpectedDay(tomorrow));
  feed.FoldValue(At(29, 1), EncodeExpectedDay(by_first));
  EXPECT_THAT(feed.Times(), SizeIs(9));
}

TEST(DaysMade, WhoeverSpeaksFirstHasTheDay) {
  PlanFeed theirs("daily at 09:00");
  theirs.Fold(At(4, 59), ExpectedEvent("w", At(10, 0), "plan", At(4, 59)));
  EXPECT_THAT(theirs.Make(At(5, 0)), IsEmpty());
  theirs.Fold(At(5, 1), ExpectedEvent("w", At(11, 0), "plan", At(5, 1)));
  EXPECT_THAT(theirs.Times(), ElementsAre("10:00", "11:00"));
  EXPECT_THAT(theirs.Make(At(29, 0)), ElementsAre(kDate + 1)) << "only that day is theirs";
  // What was on its way meanwhile.
  PlanFeed late("daily at 09:00");
  const ExpectedDay day = late.Due(At(5, 0)).at(0);
  late.Fold(At(5, 0), ExpectedEvent("w", At(10, 0), "plan", At(5, 0)));
  late.FoldValue(At(5, 1), EncodeExpectedDay(day));
  EXPECT_THAT(late.Times(), ElementsAre("10:00"));
  EXPECT_THAT(late.Due(At(6, 0)), IsEmpty());

  PlanFeed ours("daily at 09:00");
  ours.Make(At(5, 0));
  ours.Fold(At(5, 1), ExpectedEvent("w", At(10, 0), "plan", At(5, 1)));
  v1::Event undated = ExpectedEvent("w", At(23, 0), "plan", At(5, 1));
  undated.mutable_expected()->clear_expected_date();
  ours.Fold(At(5, 1), undated);
  EXPECT_THAT(ours.Times(), ElementsAre("09:00"));
  v1::Event other = ExpectedEvent("w", At(34, 0), "plan", At(5, 2));
  other.mutable_expected()->set_expected_date(kDate + 1);
  ours.Fold(At(5, 2), other);
  EXPECT_THAT(ours.Make(At(29, 0)), IsEmpty()) << "the next day is theirs";
  EXPECT_THAT(ours.Times(kDate + 1), ElementsAre("10:00"));
}

TEST(DaysMade, DaysThatWereLeftOutAreMadeUpForAWeek) {
  PlanFeed feed("daily at 02:00");
  feed.Make(At(5, 0));
  EXPECT_THAT(feed.Make(At(3 * 24 + 4, 0)), ElementsAre(kDate + 1, kDate + 2));
  EXPECT_THAT(feed.Times(kDate + 2), ElementsAre("02:00")) << "whole, though all of it is over";
  const std::vector<int32_t> days = feed.Make(At(100 * 24 + 5, 0));
  EXPECT_THAT(days, SizeIs(WorkflowTrack::kMostDaysBack + 1));
  EXPECT_EQ(days.back(), kDate + 100);
  // By another schedule they would be an invention.
  feed.Configure("daily at 03:00");
  EXPECT_THAT(feed.Make(At(105 * 24 + 5, 0)), ElementsAre(kDate + 105));
}

TEST(DaysMade, DaysOfWhichNothingIsKeptAreNotMadeAgain) {
  PlanFeed feed("monthly on 12 at 02:00");
  feed.Make(At(5, 0));
  const int64_t next = At(31 * 24 + 8, 0);  // 12 February; three hours late, with nothing left of January
  feed.Pass(next);
  EXPECT_THAT(feed.Times(), IsEmpty());
  EXPECT_THAT(feed.Make(next), ElementsAre(kDate + 31)) << "the schedule is known to be the same";
  EXPECT_THAT(feed.Times(kDate + 31), ElementsAre("02:00"));
}

TEST(DaysMade, ARecordThatComesDaysLateIsNoHistory) {
  PlanFeed feed("daily at 09:00");
  const ExpectedDay day = feed.Due(At(5, 0)).at(0);
  feed.FoldValue(At(3 * 24, 0), EncodeExpectedDay(day));
  EXPECT_THAT(feed.Times(), ElementsAre("09:00"));
  feed.Fold(At(3 * 24, 0), ExpectedEvent("x", At(9, 0)));
  EXPECT_EQ(feed.shard->workflows().subjects(), 1u);
}

TEST(DaysMade, NobodyTakesAFutureDayBeforeItHasBegun) {
  PlanFeed feed("daily at 09:00");
  ExpectedDay day = feed.Due(At(5, 0)).at(0);
  day.day += 10;
  for (int64_t& tick : day.ticks) tick += 10 * kDayUs;
  feed.FoldValue(At(5, 0), EncodeExpectedDay(day));
  EXPECT_THAT(feed.Make(At(5, 1)), ElementsAre(kDate));
}

TEST(DaysMade, OnlyAtHomeAndOnlyOfNamedWorkflows) {
  for (const bool configured : {true, false}) {
    for (const bool home : {true, false}) {
      PlanFeed feed("daily at 09:00");
      feed.shard->SetWorkflowHome([&](std::string_view) { return home; }, configured);
      EXPECT_EQ(feed.Due(At(5, 0)).size(), configured && home ? 1u : 0u);
    }
  }
  PlanFeed pattern("daily at 09:00", "w*");
  pattern.Fold(DecisionEvent("w", "RUN", At(4, 0)));
  EXPECT_THAT(pattern.Due(At(5, 0)), IsEmpty());
}

TEST(DaysMade, NoMoreThanAreAskedFor) {
  std::vector<WorkflowPolicyRule> rules;
  for (int i = 0; i < 10; ++i) rules.push_back({"w" + std::to_string(i), Planned("hourly").rules()[0].policy});
  WorkflowFeed feed(WorkflowPolicies({}, rules));
  feed.shard->SetWorkflowHome([](std::string_view) { return true; }, true);
  feed.Pass(kDayStart);
  feed.shard->AdvanceWatermark(At(5, 0));
  std::set<std::string> made;
  for (size_t count = 0; made.size() < 10; ++count) {
    ASSERT_LT(count, 10u);
    for (const ExpectedDay& day : feed.shard->DaysToMake(3)) {
      EXPECT_TRUE(made.insert(day.workflow).second);
      feed.FoldValue(At(5, 0), EncodeExpectedDay(day));
    }
  }
  EXPECT_THAT(feed.shard->DaysToMake(3), IsEmpty());
}

// Owners come and go, some with another configuration, some with records that come late, or not at all, or twice.
// Whoever folds the log finds of each day the runs of its first record, whole, and no other; and as long as there is an
// owner no day of the last week is without.
RC_GTEST_PROP(DaysMade, NoneIsLostAndNoneIsDoubled, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  const std::vector<std::string> schedules = {"hourly", "hourly at :30", "daily at 03:00,21:00"};
  struct LogRecord {
    int64_t time_us;
    ExpectedDay day;
  };
  std::vector<LogRecord> log;
  std::vector<ExpectedDay> late;
  size_t schedule = 0;
  auto owner = std::make_unique<PlanFeed>(schedules[schedule]);
  size_t folded = 0;
  const auto fold = [&](PlanFeed* feed, size_t* from) {
    for (; *from < log.size(); ++*from) feed->FoldValue(log[*from].time_us, EncodeExpectedDay(log[*from].day));
  };
  int64_t now = At(4, 0);
  for (int step = 0; step < 150; ++step) {
    now += below(3 * kHourUs);
    if (below(8) == 0) {  // somebody takes over: from a snapshot, or from the beginning
      if (below(4) == 0) schedule = static_cast<size_t>(below(3));
      const std::string bytes = SnapshotOf(owner->shard.get());
      auto next = std::make_unique<PlanFeed>(schedules[schedule]);
      if (below(2) == 0) {
        next->shard = next->Empty();
        next->shard->SetWorkflowHome([](std::string_view) { return true; }, true);
        RC_ASSERT(next->shard->RestoreSnapshot(bytes).ok());
      } else {
        folded = 0;
      }
      owner = std::move(next);
    } else if (below(8) == 0) {
      schedule = static_cast<size_t>(below(3));
      owner->Configure(schedules[schedule]);
    }
    if (!late.empty() && below(3) == 0) {
      log.push_back({now, late.back()});
      late.pop_back();
    }
    fold(owner.get(), &folded);
    for (const ExpectedDay& day : owner->Due(now)) {
      const int64_t fate = below(4);
      if (fate == 0) late.push_back(day);
      if (fate >= 1) log.push_back({now, day});
      if (fate == 3) log.push_back({now + 1, day});
    }
  }
  PlanFeed whole("hourly");
  size_t from = 0;
  fold(&whole, &from);
  fold(owner.get(), &folded);
  std::map<int32_t, const ExpectedDay*> first;
  int32_t newest = INT32_MIN;
  for (const LogRecord& record : log) {
    // What comes for a day after a later one was made comes too late.
    if (record.day.day > newest) first[newest = record.day.day] = &record.day;
  }
  for (const auto& [day, expected] : first) {
    for (PlanFeed* feed : {&whole, owner.get()}) {
      std::vector<int64_t> ticks;
      for (const ExpectedInfo& info :
           feed->shard->FindExpected({.date = day, .subject = "w", .time_zone = "America/New_York"}))
        ticks.push_back(info.due_us);
      RC_ASSERT(ticks == expected->ticks);
    }
  }
  for (const int32_t day : owner->Make(now)) RC_ASSERT(day > newest);
}

// Before they are made they are told apart; made, or spoken for by somebody else, they are not.
TEST(DaysToCome, UntilTheyAreMade) {
  PlanFeed feed("daily at 09:00");
  feed.Make(kDayStart + 4 * kHourUs);  // up to the day before: this one is made at five
  const ScheduleQuery today = {.date = {}, .subject = "", .time_zone = "UTC"};
  const std::vector<DayToCome> to_come = feed.shard->FindDaysToCome(today);
  ASSERT_THAT(to_come, SizeIs(1));
  EXPECT_EQ(to_come[0].workflow, "w");
  EXPECT_EQ(to_come[0].day, kDate);
  EXPECT_EQ(to_come[0].made_at_us, kDayStart + 5 * kHourUs);
  EXPECT_EQ(to_come[0].first_due_us, kDayStart + 9 * kHourUs);
  EXPECT_EQ(to_come[0].runs, 1u);
  EXPECT_THAT(feed.Times(), IsEmpty());
  EXPECT_THAT(feed.shard->FindDaysToCome({.date = kDate + 1, .subject = "w", .time_zone = ""}), SizeIs(1));
  EXPECT_THAT(feed.shard->FindDaysToCome({.date = kDate - 1, .subject = "w", .time_zone = ""}), IsEmpty()) << "made";
  EXPECT_THAT(feed.shard->FindDaysToCome({.date = kDate, .subject = "other", .time_zone = ""}), IsEmpty());

  EXPECT_THAT(feed.Make(kDayStart + 5 * kHourUs), ElementsAre(kDate));
  EXPECT_THAT(feed.shard->FindDaysToCome(today), IsEmpty());
  EXPECT_THAT(feed.Times(), ElementsAre("09:00"));
}

TEST(DaysToCome, NoneWhereSomebodyElseHasSpoken) {
  PlanFeed feed("daily at 09:00");
  feed.Make(kDayStart + 4 * kHourUs);
  feed.Fold(ExpectedEvent("w", At(10, 0)));
  EXPECT_THAT(feed.shard->FindDaysToCome({}), IsEmpty());
}

TEST(DaysToCome, NoneOnADayWithoutRunsOrAtAnotherHome) {
  PlanFeed sundays("0 9 * * 0");
  sundays.Make(kDayStart + 4 * kHourUs);
  EXPECT_THAT(sundays.shard->FindDaysToCome({}), IsEmpty()) << "a Monday";
  PlanFeed elsewhere("daily at 09:00");
  elsewhere.Make(kDayStart + 4 * kHourUs);
  elsewhere.shard->SetWorkflowHome([](std::string_view) { return false; }, /*configured=*/true);
  EXPECT_THAT(elsewhere.shard->FindDaysToCome({}), IsEmpty());
}

}  // namespace
}  // namespace runledger::aggregators
