#include "tools/runledger/event_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tools/log_fixture.h"
#include "tools/process.h"

namespace runledger::tools {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;

using EventSenderTest = LogTest;

TEST_F(EventSenderTest, EventsReachThePartitionOfTheirKey) {
  struct Case {
    bool keyed_by_job;
    kafka::Partitioner partitioner;
  };
  size_t sent = 0;
  for (const Case& c : {Case{true, kafka::Partitioner::kMurmur2}, Case{false, kafka::Partitioner::kCrc32}}) {
    EventSenderOptions options = Options();
    options.keyed_by_job = c.keyed_by_job;
    options.partitioner = c.partitioner;
    EventSender sender(options);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(
          sender.Send(*RunOf("job-" + std::to_string(i), "run-" + std::to_string(c.keyed_by_job) + std::to_string(i)))
              .ok());
    }
    const FlushResult flushed = sender.Flush(Soon());
    EXPECT_EQ(flushed.acknowledged, 50) << flushed.reason;
    EXPECT_EQ(flushed.undelivered, 0);
    sent += 50;
  }
  for (const Record& record : Read(sent)) {
    const bool by_job = record.run.starts_with("run-1");
    EXPECT_EQ(record.key, by_job ? record.job : record.run);
    EXPECT_EQ(record.partition, kafka::PartitionFor(by_job ? kafka::Partitioner::kMurmur2 : kafka::Partitioner::kCrc32,
                                                    record.key, kPartitions));
  }
}

TEST_F(EventSenderTest, KeysOfOtherKinds) {
  v1::Event decision;
  decision.set_event_time_us(1);
  decision.mutable_decision()->set_workflow("w");
  decision.mutable_decision()->set_action("RUN");
  v1::Event expected;
  expected.set_event_time_us(1);
  expected.mutable_expected()->set_job_name("j");
  expected.mutable_expected()->set_workflow("of the job's");
  expected.mutable_expected()->set_expected_run_time_us(5);
  v1::Event cleanup;
  cleanup.set_event_time_us(1);
  cleanup.set_event_id("c1");
  cleanup.mutable_cleanup()->set_files_checked(1);
  for (const bool keyed_by_job : {true, false}) {
    EXPECT_EQ(MessageKey(*Decoded(decision), keyed_by_job), "w");
    EXPECT_EQ(MessageKey(*Decoded(expected), keyed_by_job), "j");
    EXPECT_EQ(MessageKey(*Decoded(cleanup), keyed_by_job), "c1");
  }
}

TEST_F(EventSenderTest, UnreachableLogIsToldWithItsReason) {
  EventSenderOptions options;
  options.brokers = "127.0.0.1:1";
  EventSender sender(options);
  ASSERT_TRUE(sender.Send(*RunOf("j", "1")).ok());
  FlushResult flushed;
  do {  // the first attempt to connect may take longer
    flushed = sender.Flush(In(std::chrono::milliseconds(20)));
    EXPECT_EQ(flushed.acknowledged, 0);
    EXPECT_EQ(flushed.undelivered, 1);
  } while (flushed.reason.find("refused") == std::string::npos);
  EXPECT_THAT(flushed.reason, testing::StartsWith("127.0.0.1:1/bootstrap: Connect to"));
}

TEST_F(EventSenderTest, WrongSettingIsToldAtOnce) {
  EventSenderOptions options = Options();
  options.librdkafka = {{"no.such.setting", "1"}};
  EventSender sender(options);
  sender.Send(*RunOf("j", "1")).IgnoreError();  // may come before the client was refused
  const FlushResult flushed = sender.Flush(EventSink::Deadline::max());
  EXPECT_EQ(flushed.acknowledged, 0);
  EXPECT_THAT(std::string(sender.Send(*RunOf("j", "2")).message()), HasSubstr("no.such.setting"));
  EXPECT_THAT(std::string(sender.WaitForRoom(EventSink::Deadline::max()).message()), HasSubstr("no.such.setting"));
}

TEST_F(EventSenderTest, NothingSentNothingDone) {
  EventSenderOptions options;
  options.brokers = "127.0.0.1:1";
  EventSender sender(options);
  const FlushResult flushed = sender.Flush(EventSink::Deadline::max());
  EXPECT_EQ(flushed.acknowledged + flushed.undelivered, 0);
}

TEST_F(EventSenderTest, EventsOutliveAnOutage) {
  EventSender sender(Options());
  ASSERT_TRUE(sender.Send(*RunOf("j", "1")).ok());
  ASSERT_EQ(sender.Flush(Soon()).acknowledged, 1);
  broker_->SetDown();
  ASSERT_TRUE(sender.Send(*RunOf("j", "2")).ok());
  const FlushResult down = sender.Flush(In(std::chrono::milliseconds(50)));
  EXPECT_EQ(down.acknowledged, 1);
  EXPECT_EQ(down.undelivered, 1);
  EXPECT_NE(down.reason, "");
  broker_->SetUp();
  const FlushResult up = sender.Flush(Soon());
  EXPECT_EQ(up.acknowledged, 2) << up.reason;
  EXPECT_EQ(up.undelivered, 0);
  EXPECT_EQ(Read(2).size(), 2);
}

TEST_F(EventSenderTest, FullQueueMakesRoomAsTheLogTakesIt) {
  EventSenderOptions options = Options();
  options.queue_events = 5;
  EventSender sender(options);
  broker_->SetDown();
  int taken = 0;
  absl::Status status;
  while ((status = sender.Send(*RunOf("j", std::to_string(taken)))).ok()) ++taken;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(taken, 5);
  EXPECT_TRUE(absl::IsDeadlineExceeded(sender.WaitForRoom(In(std::chrono::milliseconds(20)))));
  broker_->SetUp();
  for (; taken < 50; ++taken) {
    while (absl::IsResourceExhausted(status = sender.Send(*RunOf("j", std::to_string(taken)))))
      ASSERT_TRUE(sender.WaitForRoom(Soon()).ok());
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(sender.Flush(Soon()).acknowledged, 50);
}

TEST_F(EventSenderTest, EventThatIsTooLarge) {
  EventSender sender(Options());
  ASSERT_TRUE(sender.Send(*RunOf("j", "1")).ok());
  ASSERT_EQ(sender.Flush(Soon()).acknowledged, 1);
  v1::Event large = fakes::RunEvent("j", "2", v1::SUCCESS, 1);
  large.mutable_run()->set_summary(std::string(2'000'000, ' '));
  EXPECT_TRUE(absl::IsInvalidArgument(sender.Send(*Decoded(large))));
  EXPECT_EQ(sender.Flush(Soon()).undelivered, 0);

  EventSender early(Options());  // takes it before there is a client that knows better, or not
  const bool taken = early.Send(*Decoded(large)).ok();
  const FlushResult flushed = early.Flush(EventSink::Deadline::max());
  EXPECT_EQ(flushed.undelivered, taken ? 1 : 0);
  EXPECT_EQ(flushed.reason.empty(), !taken);
}

std::vector<std::string> Exec(const std::string& brokers, const std::vector<std::string>& flags,
                              const std::string& script) {
  std::vector<std::string> argv = {EXEC_WRAPPER, "--job", "Games", "--run-id", "r", "--brokers", brokers};
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.insert(argv.end(), {"--", "/bin/sh", "-c", script});
  return argv;
}

TEST_F(EventSenderTest, ExecReachesTheLog) {
  Process process(Exec(broker_->bootstrap(), {"--flush-timeout", "60s"}, "exit 3"));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_EQ(process.Error(), "");
  const std::vector<Record> records = Read(2);
  ASSERT_EQ(records.size(), 2);
  EXPECT_EQ(records[0].status, v1::RUNNING);
  EXPECT_EQ(records[1].status, v1::FAILED);
  for (const Record& record : records) {
    EXPECT_EQ(record.job, "Games");
    EXPECT_EQ(record.partition, kafka::PartitionFor(kafka::Partitioner::kMurmur2, "Games", kPartitions));
  }
}

TEST_F(EventSenderTest, ExecKeepsTheStatusWithoutALog) {
  Process process(Exec("127.0.0.1:1", {"--flush-timeout", "100ms"}, "echo mine >&2; exit 3"));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_THAT(process.Error(), testing::StartsWith("mine\nrunledger: 2 events of run r could not be delivered: "));
}

TEST_F(EventSenderTest, ExecDoesNotWaitForASilentLogWhenToldToGo) {
  broker_->SetDown();
  Process process(Exec(broker_->bootstrap(), {"--flush-timeout", "1h"},
                       "sleep 1000 >/dev/null 2>&1 & trap 'kill $!; exit 3' TERM; echo $$ ready; wait $!"));
  process.WaitForOutput("ready");
  const pid_t command = std::stoi(process.OutputSoFar());
  process.Kill(SIGTERM);
  while (kill(command, 0) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until it is gone
  process.Kill(SIGTERM);
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_THAT(process.Error(), HasSubstr("2 events of run r could not be delivered"));
}

}  // namespace
}  // namespace runledger::tools
