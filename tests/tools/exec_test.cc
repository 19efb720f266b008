#include "tools/runledger/exec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "codecs/utf8.h"
#include "fakes/event_sink.h"
#include "tools/exec_fixture.h"

namespace runledger::tools {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

TEST_F(ExecTest, SuccessIsTwoWholeRows) {
  Process process(Argv({"--phase", "phase_2_raw"}, {kChild, "args", "out"}),
                  {{"K_SERVICE", "svc"}, {"K_REVISION", "svc-7"}, {"USER", "someone"}});
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(process.Output(), "out\n");
  EXPECT_EQ(process.Error(), "");

  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 2);
  const std::string run_id = events[0].run().run_id();
  EXPECT_THAT(run_id, MatchesRegex("Games_20[0-9]{6}_[0-9]{6}_[0-9a-f]{8}"));
  EXPECT_EQ(events[0].event_id(), "Games/" + run_id + "/0/running");
  EXPECT_EQ(events[1].event_id(), "Games/" + run_id + "/0/end");
  EXPECT_EQ(events[0].sequence(), 1);
  EXPECT_EQ(events[1].sequence(), 2);
  EXPECT_LE(events[0].event_time_us(), events[1].event_time_us());
  for (const v1::Event& event : events) {
    const v1::RunEvent& run = event.run();
    EXPECT_EQ(run.job_name(), "Games");
    EXPECT_EQ(run.run_id(), run_id);
    EXPECT_EQ(run.phase(), "phase_2_raw");
    EXPECT_EQ(run.service(), "svc");
    EXPECT_EQ(run.revision(), "svc-7");
    EXPECT_EQ(run.triggered_by(), "someone");
    EXPECT_FALSE(run.execution_host().empty());
    EXPECT_EQ(run.started_at_us(), events[0].run().started_at_us());
    EXPECT_GT(nlohmann::json::parse(run.attributes()).at("pid"), 0);
    EXPECT_FALSE(run.has_attempt());
    EXPECT_FALSE(run.has_parent_job());
    EXPECT_FALSE(run.has_errors());
    EXPECT_FALSE(event.backfill());
  }
  EXPECT_EQ(events[0].run().status(), v1::RUNNING);
  EXPECT_FALSE(events[0].run().has_completed_at_us());
  EXPECT_EQ(events[1].run().status(), v1::SUCCESS);
  EXPECT_EQ(events[1].run().completed_at_us(), events[1].event_time_us());
  EXPECT_GE(events[1].run().duration_seconds(), 0);
  EXPECT_EQ(nlohmann::json::parse(events[1].run().attributes()).at("exit_status"), 0);
}

TEST_F(ExecTest, FlagsFillTheRow) {
  Process process(Argv({"--run-id",
                        "r1",
                        "--attempt",
                        "2",
                        "--kind",
                        "scraper",
                        "--workflow",
                        "w",
                        "--date",
                        "2026-01-12",
                        "--trigger-source",
                        "pubsub",
                        "--trigger-message-id",
                        "m",
                        "--triggered-by",
                        "me",
                        "--source",
                        "CONTROLLER",
                        "--environment",
                        "prod",
                        "--job-version",
                        "1.2",
                        "--parent-job",
                        "p",
                        "--parent-run-id",
                        "pr",
                        "--opt",
                        "a=1",
                        "--opt",
                        "list=[1,2]",
                        "--opt",
                        "a=x=y",
                        "--attribute",
                        "season=2025",
                        "--attribute",
                        "pid=mine",
                        "--backfill"},
                       {kChild, "exit", "0"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[1].event_id(), "Games/r1/2/end");
  for (const v1::Event& event : events) {
    const v1::RunEvent& run = event.run();
    EXPECT_TRUE(event.backfill());
    EXPECT_EQ(run.attempt(), 2);
    EXPECT_EQ(run.kind(), v1::SCRAPER);
    EXPECT_EQ(run.workflow(), "w");
    EXPECT_EQ(run.data_date(), 20465);
    EXPECT_EQ(run.trigger_source(), "pubsub");
    EXPECT_EQ(run.trigger_message_id(), "m");
    EXPECT_EQ(run.triggered_by(), "me");
    EXPECT_EQ(run.source(), "CONTROLLER");
    EXPECT_EQ(run.environment(), "prod");
    EXPECT_EQ(run.version(), "1.2");
    EXPECT_EQ(run.parent_job(), "p");
    EXPECT_EQ(run.parent_run_id(), "pr");
    EXPECT_EQ(nlohmann::json::parse(run.opts()), nlohmann::json({{"a", "x=y"}, {"list", "[1,2]"}}));
    EXPECT_EQ(nlohmann::json::parse(run.attributes()).at("season"), "2025");
    EXPECT_EQ(nlohmann::json::parse(run.attributes()).at("pid"), "mine");
  }
}

TEST_F(ExecTest, FailureKeepsTheEndOfStandardError) {
  Process process(Argv({"--stderr-tail", "30B"},
                       {"/bin/sh", "-c", "printf 'a long first line\\nsecond line\\nthe third\\n' >&2; exit 7"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 7);
  EXPECT_EQ(process.Error(), "a long first line\nsecond line\nthe third\n");
  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[1].run().status(), v1::FAILED);
  EXPECT_EQ(Error(events[1]).at("error_type"), "exit_status");
  EXPECT_EQ(Message(events[1]), "exit status 7: second line\nthe third");
}

TEST_F(ExecTest, WithoutCaptureStandardErrorIsTheCallers) {
  Process process(Argv({"--no-capture"}, {"/bin/sh", "-c", "echo direct >&2; exit 7"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 7);
  EXPECT_EQ(process.Error(), "direct\n");
  EXPECT_EQ(Message(Events().back()), "exit status 7");
}

TEST_F(ExecTest, StandardErrorThatIsNoText) {
  Process process(Argv({}, {"/bin/sh", "-c", "printf 'bad \\377\\376 byte, nul \\000.' >&2; exit 1"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_EQ(process.Error(), std::string("bad \xff\xfe byte, nul \0.", 19));
  const std::string message = Message(Events().back());
  EXPECT_TRUE(codecs::IsUtf8(message));
  EXPECT_EQ(message, "exit status 1: bad \uFFFD\uFFFD byte, nul \uFFFD.");
}

TEST_F(ExecTest, CommandThatIsNotThere) {
  Process process(Argv({}, {"no-such-command-anywhere"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 127);
  EXPECT_THAT(process.Error(), HasSubstr("no-such-command-anywhere: No such file or directory"));
  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].run().status(), v1::FAILED);
  EXPECT_EQ(Error(events[0]).at("error_type"), "command_not_found");
}

TEST_F(ExecTest, CommandThatIsNotExecutable) {
  std::ofstream(dir_ + "/file") << "exit 0\n";
  for (const std::string& command : {dir_ + "/file", dir_}) {
    std::filesystem::remove(EventsFile());
    Process process(Argv({}, {command}));
    process.CloseInput();
    EXPECT_EQ(process.Wait(), 126);
    EXPECT_THAT(process.Error(), HasSubstr("Permission denied"));
    ASSERT_EQ(Events().size(), 1);
    EXPECT_EQ(Error(Events()[0]).at("error_type"), "command_not_executable");
  }
}

TEST_F(ExecTest, ScriptWithoutInterpreterGoesToTheShell) {
  std::ofstream(dir_ + "/script") << "echo \"$1 $2\"; exit 4\n";
  std::filesystem::permissions(dir_ + "/script", std::filesystem::perms::owner_all);
  Process process(Argv({}, {"script", "a b", "c"}), {{"PATH", "/nowhere:" + dir_}});
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 4);
  EXPECT_EQ(process.Output(), "a b c\n");
}

TEST_F(ExecTest, ArgumentsArriveAsTheyAre) {
  Process process(Argv({}, {kChild, "args", "--job", "[a,b]", "--", "", "exec", "-x", "--help", "{}", "a=b"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(process.Output(), "--job\n[a,b]\n--\n\nexec\n-x\n--help\n{}\na=b\n");
}

TEST_F(ExecTest, HeartbeatsAreWholeRows) {
  Process process(Argv({"--heartbeat", "1ms", "--workflow", "w"}, {kChild, "wait", "0"}));
  WaitForEvents(4);
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  const std::vector<v1::Event> events = Events();
  ASSERT_GE(events.size(), 5);
  for (size_t i = 0; i < events.size(); ++i) {
    const bool beat = i > 0 && i + 1 < events.size();
    EXPECT_EQ(events[i].sequence(), i + 1);
    EXPECT_EQ(events[i].run().heartbeat(), beat);
    EXPECT_EQ(events[i].run().workflow(), "w");
    EXPECT_EQ(events[i].run().started_at_us(), events[0].run().started_at_us());
    if (!beat) continue;
    EXPECT_EQ(events[i].event_id(), "Games/" + events[0].run().run_id() + "/0/heartbeat-" + std::to_string(i));
    EXPECT_EQ(events[i].run().status(), v1::RUNNING);
    EXPECT_GE(events[i].event_time_us(), events[i - 1].event_time_us());
  }
  EXPECT_EQ(events.back().run().status(), v1::SUCCESS);
}

TEST_F(ExecTest, InnerRunNamesItsParent) {
  Process process(
      Argv({"--run-id", "outer"}, {kWrapper, "--job", "Inner", "--run-id", "inner", "--events", EventsFile(), "--",
                                   "/bin/sh", "-c", "echo $RUNLEDGER_JOB $RUNLEDGER_RUN_ID"}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(process.Output(), "Inner inner\n");
  const std::vector<v1::Event> events = Events();
  ASSERT_EQ(events.size(), 4);
  for (const v1::Event& event : events) {
    const bool inner = event.run().job_name() == "Inner";
    EXPECT_EQ(event.run().parent_job(), inner ? "Games" : "");
    EXPECT_EQ(event.run().parent_run_id(), inner ? "outer" : "");
  }
}

TEST_F(ExecTest, HugeStandardErrorInBoundedMemory) {
  constexpr size_t kSmall = size_t{1} << 20;
  constexpr size_t kHuge = size_t{100} << 20;
  const auto run = [&](size_t bytes) {
    std::filesystem::remove(EventsFile());
    Process process(Argv({}, {kChild, "flood", std::to_string(bytes)}));
    process.WaitForOutput("flooded");
    const int64_t peak = process.PeakMemoryKib();
    process.CloseInput();
    EXPECT_EQ(process.Wait(), 3);
    const std::string error = process.Error();
    EXPECT_EQ(error.size(), bytes);
    size_t wrong = 0;
    for (size_t i = 0; i < error.size(); ++i) wrong += static_cast<unsigned char>(error[i]) != i % 251;
    EXPECT_EQ(wrong, 0);
    return peak;
  };
  const int64_t small = run(kSmall);
  const int64_t huge = run(kHuge);
  EXPECT_LT(huge, small + 4 * 1024);
}

TEST_F(ExecTest, GrandchildThatKeepsStandardError) {
  Process process(Argv({}, {kChild, "grandchild"}));
  EXPECT_EQ(process.Wait(), 7);  // while the grandchild waits for the end of the input
  process.CloseInput();
  EXPECT_EQ(process.Error(), "last word\n");
  EXPECT_EQ(Message(Events().back()), "exit status 7: last word");
}

TEST_F(ExecTest, WhatTheCommandLeavesBehindKeepsItsStandardError) {
  // It says something after the command, and the wrapper, have ended; what it was told with is its exit status.
  const std::string script = "(read line; echo late >&2; echo \"status $?\" > '" + dir_ + "/left') <&0 & exit 0";
  Process process(Argv({}, {"/bin/bash", "-c", script}));
  EXPECT_EQ(process.Wait(), 0);
  process.CloseInput();
  std::string left;
  while (left.empty()) {
    std::ifstream file(dir_ + "/left");
    std::getline(file, left);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(left, "status 0");
  EXPECT_EQ(process.Error(), "late\n");
}

TEST_F(ExecTest, CommandThatClosesStandardError) {
  Process process(Argv({}, {kChild, "close-stderr"}));
  process.WaitForOutput("closed");
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 7);
  EXPECT_EQ(Message(Events().back()), "exit status 7");
}

TEST_F(ExecTest, CommandLearnsThatNobodyReadsStandardError) {
  Process process(Argv({}, {kChild, "write-until-epipe"}));
  process.WaitForOutput("ready");
  process.CloseError();
  process.WaitForOutput("EPIPE");
  EXPECT_EQ(process.Wait(), 5);
  EXPECT_THAT(Message(Events().back()), StartsWith("exit status 5"));
}

TEST_F(ExecTest, ClosedStandardError) {
  std::vector<std::string> argv = {"/bin/sh", "-c", "exec \"$@\" 0<&- 2>&-", "sh"};
  const std::vector<std::string> wrapped = Argv({"--answer", "hang"}, {kChild, "exit", "6"});
  argv.insert(argv.end(), wrapped.begin(), wrapped.end());
  Process process(argv);
  EXPECT_EQ(process.Wait(), 6);
  EXPECT_EQ(process.Error(), "");
  EXPECT_EQ(Events().size(), 2);
}

TEST_F(ExecTest, UndeliveredEventsAreSaidOnce) {
  Process hanging(Argv({"--answer", "hang", "--run-id", "r"}, {"/bin/sh", "-c", "echo mine >&2; exit 9"}));
  hanging.CloseInput();
  EXPECT_EQ(hanging.Wait(), 9);
  EXPECT_EQ(hanging.Error(),
            "mine\nrunledger: 2 events of run r could not be delivered: the test acknowledges nothing\n");

  Process refusing(Argv({"--answer", "refuse", "--run-id", "r"}, {kChild, "exit", "0"}));
  refusing.CloseInput();
  EXPECT_EQ(refusing.Wait(), 0);
  EXPECT_EQ(refusing.Error(), "runledger: 2 events of run r could not be delivered: refused by the test\n");
}

TEST_F(ExecTest, WrongUseStartsNothing) {
  const std::vector<std::vector<std::string>> wrong = {
      {kWrapper, "--job", "j", "--events", EventsFile()},
      {kWrapper, "--job", "", "--events", EventsFile(), "--", kChild, "args", "x"},
      {kWrapper, "--job", std::string(513, 'j'), "--events", EventsFile(), "--", kChild, "args", "x"},
      {kWrapper, "--job", "\xff", "--events", EventsFile(), "--", kChild, "args", "x"},
      {kWrapper, "--events", EventsFile(), "--", kChild, "args", "x"},
      Argv({"--date", "yesterday"}, {kChild, "args", "x"}),
      Argv({"--opt", "x"}, {kChild, "args", "x"}),
      Argv({"--heartbeat", "60"}, {kChild, "args", "x"}),
      Argv({"--heartbeat", "200000d"}, {kChild, "args", "x"}),  // longer than the clock can add
      Argv({"--flush-timeout", "36501d"}, {kChild, "args", "x"}),
      Argv({"--stderr-tail", "1MiB"}, {kChild, "args", "x"}),
      Argv({"--environment", std::string(513, 'e')}, {kChild, "args", "x"}),
      Argv({"--no-such-flag"}, {kChild, "args", "x"}),
  };
  for (const std::vector<std::string>& argv : wrong) {
    Process process(argv);
    process.CloseInput();
    EXPECT_EQ(process.Wait(), 2) << testing::PrintToString(argv);
    EXPECT_EQ(process.Output(), "");
    EXPECT_NE(process.Error(), "");
  }
  EXPECT_TRUE(Events().empty());
}

TEST(ExecInProcessTest, EveryExitStatusIsKept) {
  for (int status = 0; status < 256; ++status) {
    fakes::RecordingEventSink sink;
    ExecOptions options;
    options.run.job = "j";
    options.command = {"/bin/sh", "-c", "exit " + std::to_string(status)};
    ASSERT_EQ(Exec(options, sink), status);
    ASSERT_EQ(sink.events.size(), 2);
    ASSERT_EQ(sink.events[1].run().status(), status == 0 ? v1::SUCCESS : v1::FAILED) << status;
  }
}

TEST(ExecInProcessTest, SecretsAreLeftOut) {
  fakes::RecordingEventSink sink;
  ExecOptions options;
  options.run.job = "j";
  options.run.opts = {{"api_key", "s3cret"}, {"date", "today"}};
  options.run.secrets = {"api-key"};
  options.command = {"true"};
  ASSERT_EQ(Exec(options, sink), 0);
  ASSERT_EQ(sink.events.size(), 2);
  for (const v1::Event& event : sink.events) EXPECT_EQ(event.run().opts(), R"({"date":"today"})");
}

TEST(ExecInProcessTest, LongNamesStillHaveDistinctEventIds) {
  fakes::RecordingEventSink sink;
  ExecOptions options;
  options.run.job = std::string(400, 'j');
  options.run.run_id = std::string(500, 'r');
  options.command = {"true"};
  ASSERT_EQ(Exec(options, sink), 0);
  ASSERT_EQ(sink.events.size(), 2);
  EXPECT_THAT(sink.events[0].event_id(), MatchesRegex("[0-9a-f]{32}/running"));
  EXPECT_EQ(sink.events[1].event_id(), sink.events[0].event_id().substr(0, 32) + "/end");
}

}  // namespace
}  // namespace runledger::tools
