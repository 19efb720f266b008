#include "tools/runledger/emit.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <chrono>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "fakes/event_sink.h"
#include "runledger/v1/event.pb.h"

namespace runledger::tools {
namespace {

using testing::HasSubstr;
using testing::internal::CaptureStderr;
using testing::internal::CaptureStdout;
using testing::internal::GetCapturedStderr;
using testing::internal::GetCapturedStdout;

// What Emit did.
struct Result {
  int status = 0;
  std::string output;
  std::string error;
};

class EmitTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("RUNLEDGER_JOB");
    unsetenv("RUNLEDGER_RUN_ID");
  }

  Result Run(EmitOptions options) {
    CaptureStdout();
    CaptureStderr();
    Result result;
    result.status = Emit(options, sink_);
    result.output = GetCapturedStdout();
    result.error = GetCapturedStderr();
    return result;
  }

  Result Flags(const std::vector<std::string>& flags) {
    CLI::App app;
    EmitOptions options;
    AddEmitOptions(&app, &options);
    app.parse(std::vector<std::string>(flags.rbegin(), flags.rend()));
    return Run(options);
  }

  Result Lines(const std::string& text, EmitOptions options = {}) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    std::thread writer([&] {
      for (std::string_view left = text; !left.empty();)
        left.remove_prefix(static_cast<size_t>(write(ends[1], left.data(), left.size())));
      close(ends[1]);
    });
    options.input = ends[0];
    Result result = Run(options);
    if (!sink_.stuck) {
      EXPECT_EQ(read(ends[0], ends, 1), 0) << "not all of the input was read";
    }
    close(ends[0]);
    writer.join();
    return result;
  }

  static std::string Line(int number, const std::string& status = "success") {
    return R"({"event_time": "2026-01-12T11:30:08Z", "run": {"job_name": "j", "run_id": ")" + std::to_string(number) +
           R"(", "status": ")" + status + "\"}}\n";
  }

  fakes::RecordingEventSink sink_;
};

TEST_F(EmitTest, FlagsMakeOneEvent) {
  const Result result = Flags({"--job",
                               "Games",
                               "--run-id",
                               "r",
                               "--status",
                               "COMPLETED",
                               "--date",
                               "2026-01-12",
                               "--event-time",
                               "2026-01-12T11:30:08.5Z",
                               "--event-id",
                               "e",
                               "--sequence",
                               "4",
                               "--duration",
                               "1.5",
                               "--started-at",
                               "2026-01-12T11:30:07Z",
                               "--records-processed",
                               "0",
                               "--error",
                               "it broke",
                               "--set",
                               "output_table=games",
                               "--set",
                               "dry_run=true",
                               "--set",
                               "warnings=[\"w\"]",
                               "--opt",
                               "k=v",
                               "--attribute",
                               "a=[1,2]",
                               "--kind",
                               "scraper",
                               "--backfill"});
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(sink_.events.size(), 1);
  const v1::Event& event = sink_.events[0];
  const v1::RunEvent& run = event.run();
  EXPECT_EQ(event.event_id(), "e");
  EXPECT_EQ(event.event_time_us(), 1768217408500000);
  EXPECT_EQ(event.sequence(), 4);
  EXPECT_TRUE(event.backfill());
  EXPECT_EQ(run.job_name(), "Games");
  EXPECT_EQ(run.run_id(), "r");
  EXPECT_EQ(run.status(), v1::SUCCESS);
  EXPECT_EQ(run.source_status(), "COMPLETED");
  EXPECT_EQ(run.kind(), v1::SCRAPER);
  EXPECT_EQ(run.data_date(), 20465);
  EXPECT_EQ(run.started_at_us(), 1768217407000000);
  EXPECT_EQ(run.duration_seconds(), 1.5);
  EXPECT_TRUE(run.has_records_processed());
  EXPECT_EQ(run.records_processed(), 0);
  EXPECT_EQ(run.errors(), "\"it broke\"");  // the pipeline makes it [{"error_message": "it broke"}]
  EXPECT_EQ(run.output_table(), "games");
  EXPECT_TRUE(run.dry_run());
  EXPECT_EQ(run.warnings(), "[\"w\"]");
  EXPECT_EQ(run.opts(), R"({"k":"v"})");
  EXPECT_EQ(run.attributes(), R"({"a":"[1,2]"})");
}

TEST_F(EmitTest, RunIdAndTimeAreMadeUp) {
  const int64_t before =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const Result result = Flags({"--job", "Games", "--status", "running"});
  EXPECT_EQ(result.status, 0) << result.error;
  ASSERT_EQ(sink_.events.size(), 1);
  EXPECT_THAT(result.output, testing::MatchesRegex("Games_20[0-9]{6}_[0-9]{6}_[0-9a-f]{8}\n"));
  EXPECT_EQ(sink_.events[0].run().run_id() + "\n", result.output);
  EXPECT_GE(sink_.events[0].event_time_us(), before);
  EXPECT_EQ(sink_.events[0].run().status(), v1::RUNNING);
  EXPECT_FALSE(sink_.events[0].event_id().empty());
}

TEST_F(EmitTest, ParentComesFromTheEnvironment) {
  setenv("RUNLEDGER_JOB", "outer", 1);
  setenv("RUNLEDGER_RUN_ID", "o1", 1);
  EXPECT_EQ(Flags({"--job", "inner", "--run-id", "i1", "--status", "success"}).status, 0);
  EXPECT_EQ(Flags({"--job", "outer", "--run-id", "o1", "--heartbeat"}).status, 0);
  EXPECT_EQ(Flags({"--job", "inner", "--run-id", "i1", "--status", "success", "--parent-job", "other"}).status, 0);
  ASSERT_EQ(sink_.events.size(), 3);
  EXPECT_EQ(sink_.events[0].run().parent_job(), "outer");
  EXPECT_EQ(sink_.events[0].run().parent_run_id(), "o1");
  EXPECT_FALSE(sink_.events[1].run().has_parent_job());
  EXPECT_EQ(sink_.events[2].run().parent_job(), "other");
  EXPECT_FALSE(sink_.events[2].run().has_parent_run_id());
}

TEST_F(EmitTest, WrongFlagsSendNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"--status", "success"}, "--job is missing"},
      {{"--job", "j"}, "status is missing"},
      {{"--job", "j", "--status", "fabulous"}, "fabulous"},
      {{"--job", "j", "--status", "success", "--event-time", "noon"}, "noon"},
      {{"--job", "j", "--status", "success", "--event-time", "2999-01-01T00:00:00Z"}, "after"},
      {{"--job", "j", "--status", "success", "--date", "soon"}, "data_date"},
      {{"--job", "j", "--status", "success", "--duration", "long"}, "duration_seconds"},
      {{"--job", "j", "--status", "success", "--set", "no_such=1"}, "no column no_such"},
      {{"--job", "j", "--status", "success", "--set", "dry_run=perhaps"}, "true or false"},
      {{"--job", "j", "--status", "success", "--environment", std::string(600, 'e')}, "environment"},
  };
  for (const auto& [flags, text] : wrong) {
    const Result result = Flags(flags);
    EXPECT_EQ(result.status, 2) << testing::PrintToString(flags);
    EXPECT_THAT(result.error, HasSubstr(text));
  }
  EXPECT_TRUE(sink_.events.empty());
}

TEST_F(EmitTest, LinesAreSentOneByOne) {
  const Result result = Lines(
      Line(1) + "\n  \r\n" + Line(2, "no_data") +
      R"({"event_time": "2026-01-12T11:30:08Z", "decision": {"workflow": "w", "action": "RUN"}})");  // no end of line
  EXPECT_EQ(result.status, 0) << result.error;
  ASSERT_EQ(sink_.events.size(), 3);
  EXPECT_EQ(sink_.events[0].run().run_id(), "1");
  EXPECT_EQ(sink_.events[1].run().status(), v1::NO_DATA);
  EXPECT_EQ(sink_.events[2].decision().workflow(), "w");
  EXPECT_NE(sink_.events[0].event_id(), sink_.events[1].event_id());
}

TEST_F(EmitTest, AFileOfHistory) {
  EmitOptions options;
  options.backfill = true;
  EXPECT_EQ(
      Lines(Line(1) + R"({"backfill": false, "run": {"job_name": "j", "run_id": "2", "status": "failed"}})", options)
          .status,
      0);
  ASSERT_EQ(sink_.events.size(), 2u);
  for (const v1::Event& event : sink_.events) EXPECT_TRUE(event.backfill()) << event.run().run_id();
  sink_.events.clear();
  EXPECT_EQ(Lines(Line(1)).status, 0);
  EXPECT_FALSE(sink_.events.at(0).backfill());
}

TEST_F(EmitTest, ALineWithoutATimeHappensNow) {
  const int64_t before =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  EXPECT_EQ(Lines(R"({"run": {"job_name": "j", "run_id": "1", "status": "running"}})").status, 0);
  ASSERT_EQ(sink_.events.size(), 1);
  EXPECT_GE(sink_.events[0].event_time_us(), before);
}

TEST_F(EmitTest, BadLinesAreNamedAndTheOthersSent) {
  EmitOptions options;
  options.limits.message_bytes = 300;
  const Result result = Lines(
      Line(1) + "{\"run\": \n" + "[]\n" + Line(2, "fabulous") + std::string(100'000, ' ') + Line(3) + Line(4) +
          R"({"event_time": "2026-01-12T11:30:08Z", "run": {"job_name": "j", "run_id": "5", "status": "failed", "data_date": "soon"}})" +
          "\n\xff\n",
      options);
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(sink_.events.size(), 3);
  EXPECT_EQ(sink_.events[1].run().run_id(), "4");
  EXPECT_EQ(sink_.events[2].run().run_id(), "5");
  EXPECT_FALSE(sink_.events[2].run().has_data_date());
  for (const char* text :
       {"line 2: not sent: ", "line 3: not sent: an event is a JSON object", "line 4: not sent: status 'fabulous'",
        "line 5: not sent: longer than 300 bytes (limits.message_bytes)",
        "line 7: sent, but its row will be incomplete: data_date", "line 8: not sent: "}) {
    EXPECT_THAT(result.error, HasSubstr(text));
  }
  EXPECT_THAT(result.error, Not(HasSubstr("line 6")));
}

TEST_F(EmitTest, WhatWouldBeTakenForSomethingElseIsNotSent) {
  const auto with = [](const std::string& of_the_event, const std::string& of_the_run = "") {
    return "{" + of_the_event + R"("run": {"job_name": "j", "run_id": "1", "status": "failed")" + of_the_run + "}}\n";
  };
  const Result result =
      Lines(with(R"("back_fill": true, )") + with(R"("event_time_us": 1768217408, )") +
            with(R"("event_time": 1768217408000, )") + with(R"("meta": {"a": 1}, )") +
            with(R"("event_time_us": 1768217408000000, )") + with("", R"(, "started_at": 1768217408)") +
            R"({"expected": {"workflow": "w", "expected_run_time": 1768217408}})" + "\n" +
            with("", R"(, "duration_seconds": -4)") + with(R"("event_time_us": -5, )"));
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(sink_.events.size(), 1);
  EXPECT_EQ(sink_.events[0].event_time_us(), 1768217408000000);
  for (const char* text : {"line 1: not sent: \"back_fill\" is no member of an event; there are event_id",
                           "line 2: not sent: event_time_us 1768217408 is 1970-01-01T00:29:28.217408Z: a number counts",
                           "line 3: not sent: event_time_us 1768217408000 is 1970-01-21T", "line 4: not sent: \"meta\"",
                           "line 6: not sent: started_at_us 1768217408 is 1970",
                           "line 7: not sent: expected_run_time_us 1768217408 is 1970",
                           "line 8: not sent: duration_seconds -4 is not from 0 to 1e10",
                           "line 9: not sent: event_time_us -5 is 1969-12-31T"}) {
    EXPECT_THAT(result.error, HasSubstr(text));
  }
}

TEST_F(EmitTest, WaitsWhileTheSinkIsFull) {
  sink_.room = 10;
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += Line(i);
  const Result result = Lines(text);
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(sink_.events.size(), 10'000);
  EXPECT_EQ(sink_.waits, 999);
}

TEST_F(EmitTest, StopsWhenNothingMoves) {
  sink_.room = 2;
  sink_.stuck = true;
  const Result result = Lines(Line(1) + Line(2) + Line(3) + Line(4));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.error, HasSubstr("stopped at line 3, which was not sent: stuck"));
  EXPECT_THAT(result.error, HasSubstr("2 of 2 events could not be delivered: stuck"));
  EXPECT_THAT(result.error, HasSubstr("the same lines can be sent again: those that arrived count once"));
}

TEST_F(EmitTest, WhatTheSinkRefuses) {
  sink_.refusal = absl::InvalidArgumentError("too large");
  EXPECT_THAT(Lines(Line(1) + Line(2)).error, HasSubstr("line 2: not sent: too large"));
  EXPECT_EQ(Flags({"--job", "j", "--run-id", "r", "--status", "success"}).status, 1);
  sink_.refusal = absl::UnavailableError("broken");
  sink_.stuck = true;  // not all of the input is read
  EXPECT_THAT(Lines(Line(1) + Line(2)).error, HasSubstr("stopped at line 1, which was not sent: broken"));
}

TEST_F(EmitTest, AnswerAsJson) {
  EmitOptions options;
  options.json = true;
  const Result result = Lines(Line(1) + "{}\n", options);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(nlohmann::json::parse(result.output),
            nlohmann::json({{"acknowledged", 1}, {"spooled", 0}, {"undelivered", 0}, {"refused", 1}}));
  EXPECT_EQ(nlohmann::json::parse(Flags({"--job", "j", "--run-id", "r", "--status", "success", "--json"}).output)
                .at("run_id"),
            "r");
}

TEST_F(EmitTest, InputThatCannotBeRead) {
  EmitOptions options;
  options.input = open("/", O_RDONLY | O_CLOEXEC);
  const Result result = Run(options);
  close(options.input);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.error, HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace runledger::tools
