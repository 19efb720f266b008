#include "aggregators/orchestration/event_details.h"
#include "ingest/delivery_fixture.h"

// Verdicts on expected runs, and expected runs themselves, which delivery writes to the log.

namespace runledger::ingest {
namespace {

constexpr int64_t kMinute = 60 * kSecond;

class OwnEventsTest : public DeliveryTest {
 protected:
  // The leader says that there is nothing more.
  void CatchUp(int64_t after_us) {
    now_.mono_us += after_us;
    now_.wall_us += after_us;
    delivery_->OnLogEnd(0, next_, now_, now_.wall_us, now_);
    Later(200'000);
  }
  // The i-th name whose home is partition 3 of 8.
  static std::string Subject(int i) {
    for (int n = 0;; ++n) {
      std::string name = "workflow-" + std::to_string(n);
      if (kafka::PartitionFor(kafka::Partitioner::kMurmur2, name, 8) == 3 && i-- == 0) return name;
    }
  }
  void Answer(size_t letter, const absl::Status& status) {
    delivery_->OnProduced(log_.letters[letter].id, status, now_);
  }
  // To this partition, by the subject's key, with the time of the watermark.
  void ExpectGoesHome(const OutgoingRecord& record, const std::string& subject) {
    EXPECT_EQ(record.topic, "events");
    EXPECT_EQ(record.partition, 3);
    EXPECT_EQ(record.key, subject);
    EXPECT_EQ(record.timestamp_ms, now_.wall_us / 1000 - 200);
  }

  int64_t next_ = 0;
};

class DeliveryVerdictsTest : public OwnEventsTest {
 protected:
  // An owner of partition 3 of 8 that shows it, with so many expected runs an hour ahead, that nobody starts.
  void Expect(int count, DeliveryOptions options = {.own = true}) {
    Make({.log_start = 0, .log_end = 0, .partition_count = 8}, options);
    Claim();
    const int64_t since = kStart - 60 * kMinute;  // from then on the log is known
    ReadAt(next_++, fakes::RunEvent("job", "run", v1::RUNNING, since).SerializeAsString(), since);
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      event.set_event_time_us(kStart);
      event.mutable_expected()->set_workflow(Subject(i));
      event.mutable_expected()->set_expected_run_time_us(kStart + 60 * kMinute);
      ReadAt(next_++, event.SerializeAsString(), kStart);
    }
  }
  static constexpr int64_t kStands = 125 * kMinute;  // from the beginning on: 60 to the tick, 60 and 5 after it

  uint64_t Counted(const std::string& name, aggregators::RunVerdict verdict) {
    Later(kSecond);
    const auto block = shard_->Read();
    for (size_t i = 0; i < block->orchestration.labels.size(); ++i) {
      if (block->orchestration.labels[i] != nullptr && block->orchestration.labels[i]->name == name)
        return block->orchestration.workflows[i].verdicts[static_cast<size_t>(verdict)];
    }
    return 0;
  }
};

TEST_F(DeliveryVerdictsTest, AVerdictGoesToItsOwnPartitionOnceItStands) {
  Expect(1);
  const size_t before = log_.letters.size();
  CatchUp(kStands - kSecond);
  EXPECT_EQ(log_.letters.size(), before);
  CatchUp(kSecond);
  ASSERT_EQ(log_.letters.size(), before + 1);
  const OutgoingRecord& record = log_.letters.back().record;
  ExpectGoesHome(record, Subject(0));
  v1::Event event;
  ASSERT_TRUE(event.ParseFromString(*record.value));
  EXPECT_EQ(event.event_id(), codecs::OwnEventId("verdict", Subject(0), kStart + 60 * kMinute));
  EXPECT_EQ(event.event_time_us(), kStart + kStands);
  EXPECT_EQ(event.verdict().verdict(), "missing");
  EXPECT_EQ(event.verdict().workflow(), Subject(0));
  EXPECT_EQ(Counted(Subject(0), aggregators::RunVerdict::kMissing), 0) << "not before it is read back";

  Answer(before, absl::OkStatus());
  ReadAt(next_++, *record.value, now_.wall_us);
  EXPECT_EQ(Counted(Subject(0), aggregators::RunVerdict::kMissing), 1);
  ReadAt(next_++, *record.value, now_.wall_us);  // somebody else wrote it, too
  EXPECT_EQ(Counted(Subject(0), aggregators::RunVerdict::kMissing), 1);
  CatchUp(10 * kMinute);
  EXPECT_EQ(log_.letters.size(), before + 1) << "it is in the log";
}

TEST_F(DeliveryVerdictsTest, OneThatTheLogDoesNotTakeIsSentAgainLater) {
  Expect(1);
  CatchUp(kStands + kSecond);
  const size_t first = log_.letters.size() - 1;
  Answer(first, absl::UnavailableError("no leader"));
  EXPECT_EQ(problems_.texts.back(), "verdicts: no leader");
  CatchUp(kSecond / 2);
  EXPECT_EQ(log_.letters.size(), first + 1) << "not at once";
  CatchUp(kSecond);
  ASSERT_EQ(log_.letters.size(), first + 2);
  EXPECT_EQ(log_.letters.back().record.value, log_.letters[first].record.value) << "the same event";
  Answer(first, absl::OkStatus());  // an old answer
  Answer(first + 1, absl::OkStatus());
  EXPECT_EQ(problems_.texts.back(), "");
  CatchUp(kMinute);
  EXPECT_EQ(log_.letters.size(), first + 2) << "it is on its way back";
}

TEST_F(DeliveryVerdictsTest, OnlySoManyAreOnTheirWay) {
  Expect(100);
  const size_t before = log_.letters.size();
  CatchUp(kStands + kSecond);
  EXPECT_EQ(log_.letters.size(), before + 64);
  CatchUp(kSecond);
  EXPECT_EQ(log_.letters.size(), before + 64);
  for (size_t i = before; i < before + 64; ++i) Answer(i, absl::OkStatus());
  for (size_t i = before; i < before + 64; ++i) ReadAt(next_++, *log_.letters[i].record.value, now_.wall_us);
  CatchUp(kSecond);
  EXPECT_EQ(log_.letters.size(), before + 100);
}

TEST_F(DeliveryVerdictsTest, IntoTopicsOfOthersNothingIsWritten) {
  Expect(1, {.own = false});
  const size_t before = log_.letters.size();
  CatchUp(kStands + kSecond);
  EXPECT_EQ(log_.letters.size(), before);
  EXPECT_EQ(shard_->Read()->orchestration.workflows[0].missing, 1) << "it stays a gauge";
}

TEST_F(DeliveryVerdictsTest, WhoIsBehindWritesNothing) {
  Expect(1);
  const size_t before = log_.letters.size();
  now_.mono_us += kStands + kSecond;
  now_.wall_us += kStands + kSecond;
  delivery_->OnLogEnd(0, next_ + 1, now_, now_.wall_us, now_);
  Later(kSecond);
  EXPECT_EQ(log_.letters.size(), before) << "the record that is missing may be the verdict of a predecessor";
}

TEST_F(DeliveryVerdictsTest, WhoGivesThePartitionUpWritesNothing) {
  Expect(1);
  CatchUp(kStands - kSecond);
  const size_t before = log_.letters.size();
  delivery_->OnRevoke(now_, now_.mono_us + 60 * kSecond);
  CatchUp(2 * kSecond);
  EXPECT_EQ(log_.letters.size(), before);
}

// Stamped by the machine it would be from the future, and refused each time that it is written.
TEST_F(DeliveryVerdictsTest, AClockThatIsSetBackDoesNotDateIt) {
  Expect(1);
  CatchUp(kStands - kSecond);
  now_.mono_us += 2 * kSecond;
  now_.wall_us -= 5 * 60 * kMinute;
  delivery_->OnLogEnd(0, next_, now_, kStart + kStands + kSecond, now_);
  Later(200'000);
  ASSERT_FALSE(log_.letters.empty());
  EXPECT_EQ(log_.letters.back().record.timestamp_ms, (kStart + kStands) / 1000 + 1000);
}

TEST_F(DeliveryVerdictsTest, AReplayIsGivenItsOwnTime) {
  Expect(1, {.log_clock = true, .own = true});
  now_.wall_us += int64_t{400} * 24 * 60 * kMinute;  // the day of the replay
  delivery_->OnLogEnd(0, next_, now_, kStart + 126 * kMinute, now_);
  Later(200'000);
  ASSERT_FALSE(log_.letters.empty());
  EXPECT_EQ(log_.letters.back().record.timestamp_ms, (kStart + 126 * kMinute) / 1000);
}

// kStart is 2026-01-09 23:06:40 UTC.
constexpr int64_t kMidnight = kStart + (53 * 60 + 20) * kSecond;

class DeliveryDaysTest : public OwnEventsTest {
 protected:
  static std::shared_ptr<const aggregators::WorkflowPolicies> Scheduled(int count, const std::string& text) {
    aggregators::ScheduleSettings settings;
    settings.text = text;
    aggregators::WorkflowPolicy policy;
    policy.plan.emplace(*aggregators::Schedule::Parse(settings), 5 * 60);
    std::vector<aggregators::WorkflowPolicyRule> rules;
    for (int i = 0; i < count; ++i) rules.push_back({Subject(i), policy});
    rules.push_back({"somebody-elses", policy});
    return std::make_shared<aggregators::WorkflowPolicies>(aggregators::WorkflowPolicy(), rules);
  }
  // An owner of partition 3 of 8 that shows it, at four in the morning.
  void Own(int count, DeliveryOptions options = {.own = true, .configured_workflows = true}) {
    workflows_ = Scheduled(count, "daily at 09:00, 18:00");
    Make({.log_start = 0, .log_end = 0, .partition_count = 8}, options);
    Claim();
    ReadAt(next_++, fakes::RunEvent("job", "run", v1::RUNNING, kStart).SerializeAsString(), kStart);
    CatchUp(kMidnight + 4 * 60 * kMinute - now_.wall_us);
  }
  std::vector<int64_t> Expected(const std::string& subject) {
    std::vector<int64_t> ticks;
    for (const auto& info : shard_->FindExpected({.date = 20'463, .subject = subject, .time_zone = "UTC"}))
      ticks.push_back((info.due_us - kMidnight) / kMinute);
    return ticks;
  }
};

TEST_F(DeliveryDaysTest, ADayIsOneRecordAndIsThereWhenItIsReadBack) {
  Own(1);
  const size_t before = log_.letters.size();
  CatchUp(59 * kMinute);
  EXPECT_EQ(log_.letters.size(), before) << "not before five";
  CatchUp(kMinute);
  ASSERT_EQ(log_.letters.size(), before + 1);
  const OutgoingRecord& record = log_.letters.back().record;
  ExpectGoesHome(record, Subject(0));
  EXPECT_TRUE(Expected(Subject(0)).empty());
  Answer(before, absl::OkStatus());
  CatchUp(kMinute);
  EXPECT_EQ(log_.letters.size(), before + 1) << "it is on its way back";
  ReadBack(next_++, record, now_.wall_us);
  EXPECT_EQ(Expected(Subject(0)), (std::vector<int64_t>{9 * 60, 18 * 60}));
  CatchUp(60 * kMinute);
  EXPECT_EQ(log_.letters.size(), before + 1);
}

TEST_F(DeliveryDaysTest, OneThatTheLogDoesNotTakeIsSentAgainLater) {
  Own(1);
  CatchUp(60 * kMinute);
  const size_t first = log_.letters.size() - 1;
  Answer(first, absl::UnavailableError("no leader"));
  EXPECT_EQ(problems_.texts.back(), "expected runs: no leader");
  CatchUp(kSecond / 2);
  EXPECT_EQ(log_.letters.size(), first + 1) << "not at once";
  CatchUp(kSecond);
  ASSERT_EQ(log_.letters.size(), first + 2);
  Answer(first + 1, absl::OkStatus());
  EXPECT_EQ(problems_.texts.back(), "");
  // It was taken, and nobody has read it for minutes: once more. Both come.
  CatchUp(6 * kMinute);
  ASSERT_EQ(log_.letters.size(), first + 3);
  ReadBack(next_++, log_.letters[first + 1].record, now_.wall_us);
  ReadBack(next_++, log_.letters[first + 2].record, now_.wall_us);
  EXPECT_EQ(Expected(Subject(0)), (std::vector<int64_t>{9 * 60, 18 * 60}));
}

TEST_F(DeliveryDaysTest, ASuccessorFindsWhatItsPredecessorWrote) {
  Own(1);
  CatchUp(60 * kMinute);
  const OutgoingRecord written = log_.letters.back().record;
  // It dies before it has heard of it. Whoever comes next has another schedule.
  const Moment died = now_;
  delivery_.reset();
  log_ = {};
  now_ = died;
  workflows_ = Scheduled(1, "daily at 12:00");
  const std::string first = fakes::RunEvent("job", "run", v1::RUNNING, kStart).SerializeAsString();
  Make({.committed = Position{0, 0}, .log_start = 0, .log_end = 2, .partition_count = 8, .group_is_new = false},
       {.own = true, .configured_workflows = true});
  next_ = 0;
  ReadAt(next_++, first, kStart);
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  Later(kSecond);
  const auto days_written = [&] {
    return std::count_if(log_.letters.begin(), log_.letters.end(),
                         [&](const auto& letter) { return letter.record.key == Subject(0); });
  };
  EXPECT_EQ(days_written(), 0) << "what it has not read may be the day";
  ReadBack(next_++, written, now_.wall_us);
  CatchUp(kMinute);
  EXPECT_EQ(days_written(), 0);
  EXPECT_EQ(Expected(Subject(0)), (std::vector<int64_t>{9 * 60, 18 * 60}));
}

TEST_F(DeliveryDaysTest, AnotherConfigurationHoldsFromTheNextDayOn) {
  Own(1);
  CatchUp(60 * kMinute);
  const size_t first = log_.letters.size() - 1;
  ReadBack(next_++, log_.letters[first].record, now_.wall_us);
  delivery_->OnPolicies(std::make_shared<aggregators::JobPolicies>(), Scheduled(1, "daily at 12:00"));
  CatchUp(60 * kMinute);
  EXPECT_EQ(log_.letters.size(), first + 1);
  CatchUp(23 * 60 * kMinute);
  const auto is_of_next_day = [&](const auto& letter) { return letter.record.headers.size() == 2; };
  EXPECT_EQ(
      std::count_if(log_.letters.begin() + static_cast<std::ptrdiff_t>(first) + 1, log_.letters.end(), is_of_next_day),
      1);
}

TEST_F(DeliveryDaysTest, OnlySoManyAreOnTheirWay) {
  Own(100);
  const size_t before = log_.letters.size();
  CatchUp(60 * kMinute);
  ASSERT_EQ(log_.letters.size(), before + 64);
  CatchUp(kSecond);
  EXPECT_EQ(log_.letters.size(), before + 64);
  for (size_t i = before; i < before + 64; ++i) Answer(i, absl::OkStatus());
  for (size_t i = before; i < before + 64; ++i) ReadBack(next_++, log_.letters[i].record, now_.wall_us);
  CatchUp(kSecond);
  EXPECT_EQ(log_.letters.size(), before + 100);
}

TEST_F(DeliveryDaysTest, NothingIsMadeInTopicsOfOthersOrBesideTheFirst) {
  for (const bool own : {true, false}) {
    Own(1, {.own = own, .configured_workflows = !own});
    const size_t before = log_.letters.size();
    CatchUp(61 * kMinute);
    EXPECT_EQ(log_.letters.size(), before);
    delivery_.reset();
    next_ = 0;
  }
}

TEST_F(DeliveryDaysTest, WhoIsBehindOrGivesThePartitionUpMakesNothing) {
  Own(1);
  const size_t before = log_.letters.size();
  now_.mono_us += 61 * kMinute;
  now_.wall_us += 61 * kMinute;
  delivery_->OnLogEnd(0, next_ + 1, now_, now_.wall_us, now_);
  Later(kSecond);
  EXPECT_EQ(log_.letters.size(), before);
  delivery_->OnRevoke(now_, now_.mono_us + 60 * kSecond);
  CatchUp(kSecond);
  EXPECT_EQ(log_.letters.size(), before);
}

TEST_F(DeliveryDaysTest, AReplayIsGivenItsOwnTime) {
  Own(1, {.log_clock = true, .own = true, .configured_workflows = true});
  now_.wall_us += int64_t{400} * 24 * 60 * kMinute;  // the day of the replay
  delivery_->OnLogEnd(0, next_, now_, kMidnight + 5 * 60 * kMinute + 1, now_);
  Later(200'000);
  ASSERT_FALSE(log_.letters.empty());
  EXPECT_EQ(log_.letters.back().record.timestamp_ms, (kMidnight + 5 * 60 * kMinute) / 1000 + 1);
}

}  // namespace
}  // namespace runledger::ingest
