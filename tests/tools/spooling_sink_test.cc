#include "tools/runledger/spooling_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tools/log_fixture.h"

namespace runledger::tools {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::milliseconds kNoWait{0};

class SpoolingSinkTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    std::string name = testing::TempDir() + "runledger-sink-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string directory() const { return root_ + "/spool"; }

  // A producer's life.
  class Producer {
   public:
    Producer(SpoolingSinkTest* test, EventSenderOptions sender, SpoolingSinkOptions options,
             int64_t max_bytes = int64_t{64} << 20)
        : spool_(test->directory(), max_bytes),
          sink_(std::move(sender), &spool_, options, [test](const std::string& text) { test->said_.push_back(text); }) {
    }
    SpoolingSink* operator->() { return &sink_; }

   private:
    Spool spool_;
    SpoolingSink sink_;
  };

  static SpoolingSinkOptions Now(bool may_wait) {
    SpoolingSinkOptions options;
    options.patience = options.retry = kNoWait;
    options.drain_time = options.drain_patience = std::chrono::seconds(60);
    options.may_wait = may_wait;
    return options;
  }
  // Leaves so many events of one run in the spool.
  void LeaveBehind(const std::string& text, int events) {
    broker_->SetDown();
    {
      Producer producer(this, Options(), Now(true));
      for (int i = 0; i < events; ++i) ASSERT_TRUE(producer->Send(*RunOf("j", text + std::to_string(i))).ok());
      producer->Flush(In(std::chrono::milliseconds(20)));
      ASSERT_EQ(producer->Finish().spooled, static_cast<uint64_t>(events));
    }
    broker_->SetUp();  // only now: whoever still holds events would send them, too
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    if (!fs::exists(directory())) return names;
    for (const auto& entry : fs::directory_iterator(directory())) {
      if (entry.path().filename() != "lock") names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<std::string> Runs(size_t count) {
    std::vector<std::string> runs;
    for (const Record& record : Read(count)) runs.push_back(record.run);
    return runs;
  }
  // Sends one event, waiting for the log; the sink may want to be asked again.
  static void Deliver(Producer* producer, const std::string& run) {
    absl::Status status;
    while (absl::IsResourceExhausted(status = (*producer)->Send(*RunOf("j", run))))
      ASSERT_TRUE((*producer)->WaitForRoom(Soon()).ok());
    ASSERT_TRUE(status.ok()) << status;
    const FlushResult flushed = (*producer)->Flush(Soon());
    EXPECT_EQ(flushed.undelivered, 0) << flushed.reason;
    EXPECT_EQ(flushed.spooled, 0);
    EXPECT_FALSE(flushed.draining);
    EXPECT_EQ((*producer)->Finish().undelivered, 0);
  }

  std::string root_;
  std::vector<std::string> said_;
};

TEST_F(SpoolingSinkTest, WithALogNothingIsWritten) {
  Producer producer(this, Options(), Now(true));
  Deliver(&producer, "1");
  EXPECT_THAT(Runs(1), ElementsAre("1"));
  EXPECT_FALSE(fs::exists(directory()));
}

TEST_F(SpoolingSinkTest, WhatTheLogDidNotTakeGoesFirstTheNextTime) {
  LeaveBehind("a", 2);
  LeaveBehind("b", 1);
  EXPECT_EQ(Files().size(), 2);
  Producer next(this, Options(), Now(true));
  Deliver(&next, "c");
  EXPECT_THAT(Runs(4), ElementsAre("a0", "a1", "b0", "c"));
  EXPECT_THAT(Files(), ElementsAre());
  EXPECT_THAT(said_, ElementsAre());
}

TEST_F(SpoolingSinkTest, AnAttemptInVainLosesNothing) {
  LeaveBehind("a", 2);
  LeaveBehind("b", 1);  // hands the first file over too, and hears nothing of it
  LeaveBehind("c", 1);
  EXPECT_EQ(Files().size(), 3);
  Producer next(this, Options(), Now(true));
  Deliver(&next, "d");
  EXPECT_THAT(Runs(5), ElementsAre("a0", "a1", "b0", "c0", "d"));
}

TEST_F(SpoolingSinkTest, AProducerThatDoesNotWaitSendsItsOwnFirst) {
  LeaveBehind("a", 2);
  Producer next(this, Options(), Now(false));
  Deliver(&next, "b");
  EXPECT_THAT(Runs(3), ElementsAre("b", "a0", "a1"));
  EXPECT_THAT(Files(), ElementsAre());
}

TEST_F(SpoolingSinkTest, ResultNamesTheSpoolAndTheReason) {
  EventSenderOptions options = Options();
  options.brokers = "127.0.0.1:1";
  Producer producer(this, options, Now(true));
  ASSERT_TRUE(producer->Send(*RunOf("j", "1")).ok());
  while (producer->Flush(In(std::chrono::milliseconds(20))).reason.find("refused") == std::string::npos) continue;
  const FlushResult result = producer->Finish();
  EXPECT_EQ(result.spooled, 1);
  EXPECT_EQ(result.undelivered, 0);
  EXPECT_EQ(result.spool, directory());
  EXPECT_THAT(result.reason, HasSubstr("127.0.0.1:1"));
}

TEST_F(SpoolingSinkTest, AnEventThatIsOnItsWayForTooLongIsDurableMeanwhile) {
  broker_->SetDown();
  Producer producer(this, Options(), Now(false));
  ASSERT_TRUE(producer->Send(*RunOf("j", "1")).ok());
  EXPECT_LT(producer->Tend(), std::chrono::seconds(10));
  ASSERT_THAT(Files(), ElementsAre("000000000001.events"));
  {
    Spool look(directory(), 1 << 20);
    ASSERT_TRUE(look.Open(false).ok());
    const auto reader = look.Look("000000000001.events");
    ASSERT_TRUE(reader.ok() && *reader != nullptr);
    SpooledMessage message;
    EXPECT_TRUE((*reader)->Next(&message));
    EXPECT_EQ(message.key, "j");
  }
  producer->Tend();
  EXPECT_EQ(Files().size(), 1);

  // The same process sends it when the log is back.
  broker_->SetUp();
  while (!Files().empty()) {
    producer->Flush(In(std::chrono::milliseconds(20)));
    producer->Tend();
  }
  const FlushResult result = producer->Finish();
  EXPECT_EQ(result.acknowledged, 1);
  EXPECT_EQ(result.undelivered + result.spooled, 0);
  EXPECT_THAT(Runs(1), ElementsAre("1"));
}

TEST_F(SpoolingSinkTest, WithoutRoomEventsGoToTheSpoolAndKeepTheirOrder) {
  EventSenderOptions options = Options();
  options.queue_events = 5;
  broker_->SetDown();
  Producer producer(this, options, Now(false));
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    expected.push_back(std::to_string(i));
    ASSERT_TRUE(producer->Send(*RunOf("j", expected.back())).ok()) << i;
  }
  const FlushResult down = producer->Flush(In(std::chrono::milliseconds(20)));
  EXPECT_EQ(down.acknowledged, 0);
  EXPECT_EQ(down.undelivered + down.spooled, 20);
  broker_->SetUp();
  FlushResult up;
  do {
    up = producer->Flush(In(std::chrono::milliseconds(20)));
    producer->Tend();
  } while (up.acknowledged < 20);
  EXPECT_THAT(Files(), ElementsAre());
  // The first ones twice: they were in the spool too.
  std::vector<std::string> runs = Runs(25);
  EXPECT_EQ(std::vector<std::string>(runs.end() - 20, runs.end()), expected);
}

TEST_F(SpoolingSinkTest, AWaitInVainGoesToTheSpoolAndBack) {
  EventSenderOptions options = Options();
  options.queue_events = 5;
  broker_->SetDown();
  SpoolingSinkOptions patient = Now(true);
  Producer producer(this, options, patient);
  int sent = 0;
  absl::Status status;
  while ((status = producer->Send(*RunOf("j", std::to_string(sent)))).ok()) ++sent;
  ASSERT_TRUE(absl::IsResourceExhausted(status));
  ASSERT_TRUE(producer->WaitForRoom(In(std::chrono::milliseconds(20))).ok());
  for (; sent < 12; ++sent) ASSERT_TRUE(producer->Send(*RunOf("j", std::to_string(sent))).ok());
  broker_->SetUp();
  for (; sent < 100; ++sent) {
    while (absl::IsResourceExhausted(status = producer->Send(*RunOf("j", std::to_string(sent)))))
      ASSERT_TRUE(producer->WaitForRoom(Soon()).ok());
    ASSERT_TRUE(status.ok()) << status;
  }
  FlushResult up;
  do {
    up = producer->Flush(In(std::chrono::milliseconds(20)));
    producer->Tend();
  } while (up.acknowledged < 100);
  EXPECT_EQ(producer->Finish().undelivered, 0);
  EXPECT_THAT(Files(), ElementsAre());
}

TEST_F(SpoolingSinkTest, AFullSpoolIsNamed) {
  EventSenderOptions options = Options();
  options.queue_events = 1;
  broker_->SetDown();
  Producer producer(this, options, Now(false), 64 << 10);
  absl::Status status;
  uint64_t taken = 0;
  while ((status = producer->Send(*RunOf("j", std::string(300, 'r')))).ok()) ++taken;
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("spool.max_bytes"));
  const FlushResult result = producer->Finish();
  EXPECT_EQ(result.spooled, taken);
  EXPECT_EQ(result.undelivered, 0);
}

TEST_F(SpoolingSinkTest, ASpoolThatMayNotBeUsedIsNamed) {
  fs::create_directory(directory());
  fs::permissions(directory(), fs::perms::all);
  EventSenderOptions options = Options();
  options.brokers = "127.0.0.1:1";
  Producer producer(this, options, Now(true));
  ASSERT_TRUE(producer->Send(*RunOf("j", "1")).ok());
  producer->Flush(In(std::chrono::milliseconds(20)));
  const FlushResult result = producer->Finish();
  EXPECT_EQ(result.undelivered, 1);
  EXPECT_EQ(result.spooled, 0);
  EXPECT_THAT(result.reason, HasSubstr("others may write there"));
}

TEST_F(SpoolingSinkTest, WhatWasSentButNotRemovedIsSentAgain) {
  LeaveBehind("a", 2);
  const std::string file = directory() + "/" + Files().at(0);
  fs::copy_file(file, root_ + "/copy");
  {
    Producer next(this, Options(), Now(true));
    Deliver(&next, "b");
  }
  fs::rename(root_ + "/copy", file);  // as if it had been killed in between
  Producer after(this, Options(), Now(true));
  Deliver(&after, "c");
  EXPECT_THAT(Runs(6), ElementsAre("a0", "a1", "b", "a0", "a1", "c"));
  EXPECT_THAT(Files(), ElementsAre());
}

TEST_F(SpoolingSinkTest, ADamagedFileIsSetAsideAndTheOthersAreSent) {
  LeaveBehind("a", 3);
  LeaveBehind("b", 1);
  const std::string file = directory() + "/" + Files().at(0);
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(-5, std::ios::end);
  bytes.put('#');
  bytes.close();
  Producer next(this, Options(), Now(true));
  Deliver(&next, "c");
  EXPECT_THAT(Runs(4), ElementsAre("a0", "a1", "b0", "c"));
  EXPECT_THAT(Files(), ElementsAre("000000000001.events.damaged"));
  ASSERT_EQ(said_.size(), 1);
  EXPECT_THAT(said_[0], HasSubstr("000000000001.events is damaged (a record with a wrong checksum at byte "));
}

TEST_F(SpoolingSinkTest, AnEventThatTheLogRefusesBlocksNothing) {
  LeaveBehind("a", 1);
  {
    Spool spool(directory(), int64_t{64} << 20);
    auto writer = spool.Begin({broker_->bootstrap(), kTopic, kafka::Partitioner::kMurmur2, kEventContentType});
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append({"j", std::string(2'000'000, 'x')}).ok());
    const Decoded good = RunOf("j", "good");
    ASSERT_TRUE((*writer)->Append({"j", (*good).wire}).ok());
  }
  Producer next(this, Options(), Now(true));
  Deliver(&next, "c");
  EXPECT_THAT(Runs(3), ElementsAre("a0", "good", "c"));
  EXPECT_THAT(Files(), ElementsAre("000000000002.events.refused"));
  ASSERT_EQ(said_.size(), 1);
  EXPECT_THAT(said_[0], HasSubstr("the log refuses 1 of its events"));
}

TEST_F(SpoolingSinkTest, EventsOfAnotherClusterStay) {
  {
    Spool spool(directory(), 1 << 20);
    auto writer = spool.Begin({"elsewhere:9092", kTopic, kafka::Partitioner::kMurmur2, kEventContentType});
    ASSERT_TRUE(writer.ok() && (*writer)->Append({"j", "x"}).ok());
  }
  LeaveBehind("a", 1);
  Producer next(this, Options(), Now(true));
  Deliver(&next, "b");
  EXPECT_THAT(Runs(2), ElementsAre("a0", "b"));
  EXPECT_THAT(Files(), ElementsAre("000000000001.events"));
}

TEST_F(SpoolingSinkTest, MoreThanTheClientTakesAtOnce) {
  for (int i = 0; i < 3; ++i) LeaveBehind(std::string(1, static_cast<char>('a' + i)), 40);
  EventSenderOptions options = Options();
  options.queue_events = 7;
  Producer next(this, options, Now(true));
  Deliver(&next, "z");
  const std::vector<std::string> runs = Runs(121);
  EXPECT_EQ(runs.front(), "a0");
  EXPECT_EQ(runs[119], "c39");
  EXPECT_EQ(runs[120], "z");
  EXPECT_THAT(Files(), ElementsAre());
}

TEST_F(SpoolingSinkTest, AClientThatCannotBeMade) {
  EventSenderOptions options = Options();
  options.librdkafka = {{"no.such.setting", "1"}};
  Producer producer(this, options, Now(true));
  ASSERT_TRUE(producer->Send(*RunOf("j", "1")).ok());
  producer->Flush(Soon());
  ASSERT_TRUE(producer->Send(*RunOf("j", "2")).ok());
  const FlushResult result = producer->Finish();
  EXPECT_EQ(result.spooled, 2);
  EXPECT_THAT(result.reason, HasSubstr("no.such.setting"));
}

}  // namespace
}  // namespace runledger::tools
