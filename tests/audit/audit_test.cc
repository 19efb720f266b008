#include "audit/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "audit/fake_run.h"
#include "audit/scrape.h"
#include "audit/settings.h"

namespace runledger::audit {
namespace {

constexpr int kScrapes = 12;

tools::GenerateOptions Options() {
  tools::GenerateOptions options;
  options.events = 8000;
  options.jobs = 30;
  options.partitions = 3;
  options.append_time = false;
  options.bad = 0.003;  // without the kinds that take long to inflate
  options.refused = 0.01;
  return options;
}

class AuditTest : public testing::Test {
 protected:
  AuditTest()
      : run_(Options(),
             std::filesystem::path(testing::TempDir()) / "audit" /
                 testing::UnitTest::GetInstance()->current_test_info()->name(),
             kScrapes) {}

  // What differs, after the run was spoiled.
  std::string Found() {
    Report report;
    const absl::Status status = run_.Audit(&report);
    EXPECT_TRUE(status.ok()) << status;
    return report.ToText();
  }
  void ExpectFinds(const std::string& what) {
    const std::string text = Found();
    EXPECT_NE(text.find("DIFFERENT " + what + ": "), std::string::npos) << what << " in\n" << text;
  }

  std::string ScrapeText(int number) {
    std::ifstream in(run_.scrape(number), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetScrapeText(int number, const std::string& text) {
    std::ofstream(run_.scrape(number), std::ios::binary) << text;
  }
  // Changes the value of the first sample whose line begins so.
  void SpoilSample(int number, const std::string& begins, const std::string& value) {
    std::string text = ScrapeText(number);
    const size_t line = text.find("\n" + begins);
    ASSERT_NE(line, std::string::npos);
    const size_t close = text.find("} ", line);
    const size_t end = text.find_first_of(" \n", close + 2);
    text.replace(close + 2, end - close - 2, value);
    SetScrapeText(number, text);
  }

  FakeRun run_;
};

TEST(Audit, FindsNothingWhereNothingIsWrong) {
  tools::GenerateOptions options = Options();
  options.bad = 0.01;
  FakeRun run(options, std::filesystem::path(testing::TempDir()) / "audit" / "nothing", kScrapes);
  Report report;
  ASSERT_TRUE(run.Audit(&report).ok());
  EXPECT_TRUE(report.clean()) << report.ToText();
  EXPECT_NE(report.ToText().find("checked 7920 good events of the log"), std::string::npos) << report.ToText();
  EXPECT_NE(report.ToText().find("checked 7920 rows"), std::string::npos) << report.ToText();
  EXPECT_NE(report.ToText().find("checked 12 scrapes"), std::string::npos) << report.ToText();
}

TEST_F(AuditTest, FindsARowThatIsMissing) {
  run_.Sql("DELETE FROM events WHERE rowid = 100");
  ExpectFinds("rows that are missing");
}

TEST_F(AuditTest, FindsARowThatIsThereTwice) {
  run_.Sql("INSERT INTO events SELECT * FROM events WHERE rowid = 100");
  ExpectFinds("rows that are there twice");
}

TEST_F(AuditTest, FindsARowWithoutAnEvent) {
  run_.Sql(
      "INSERT INTO events (topic, partition, \"offset\", batch_index, event_id) VALUES ('runledger.events', 0, 123456, "
      "0, 'x')");
  ExpectFinds("rows without an event");
}

TEST_F(AuditTest, FindsEveryValueOfARow) {
  for (const char* const change : {"event_id = 'x'", "kind = 'scrapper'", "status = 'running late'", "job_name = 'x'",
                                   "run_id = 'x'", "attempt = 77", "refused = 'opts: is not JSON'"}) {
    FakeRun run(Options(), std::filesystem::path(testing::TempDir()) / "audit" / "values", 1);
    run.Sql(std::string("UPDATE events SET ") + change +
            " WHERE rowid = (SELECT min(rowid) FROM events WHERE kind = 'processor')");
    Report report;
    ASSERT_TRUE(run.Audit(&report).ok());
    EXPECT_EQ(report.differences("values of rows"), 1) << change << "\n" << report.ToText();
  }
}

TEST_F(AuditTest, FindsADeadLetterThatIsMissing) {
  run_.letters().pop_back();
  ExpectFinds("dead letters that are missing");
}

TEST_F(AuditTest, TakesADeadLetterTwice) {
  run_.letters().push_back(run_.letters().back());
  Report report;
  ASSERT_TRUE(run_.Audit(&report).ok());
  EXPECT_TRUE(report.clean()) << report.ToText();
}

TEST_F(AuditTest, FindsADeadLetterOfAGoodEvent) {
  FakeRun::Letter letter = run_.letters().back();
  for (auto& [name, value] : letter.headers) {
    if (name == "runledger-index") value = "199";
  }
  run_.letters().push_back(letter);
  ExpectFinds("dead letters of good events");
}

TEST_F(AuditTest, FindsWhatIsWrongWithADeadLetter) {
  const std::vector<FakeRun::Letter> good = run_.letters();
  const auto spoil = [&](auto change) {
    run_.letters() = good;
    change(run_.letters().front());
    ExpectFinds("dead letters");
  };
  const auto set = [](FakeRun::Letter& letter, const std::string& header, const std::string& text) {
    for (auto& [name, value] : letter.headers) {
      if (name == header) value = text;
    }
  };
  spoil([](FakeRun::Letter& letter) { letter.value = "something else"; });
  spoil([](FakeRun::Letter& letter) { letter.key = "another"; });
  spoil([&](FakeRun::Letter& letter) { set(letter, "runledger-category", "misc"); });
  spoil([&](FakeRun::Letter& letter) { set(letter, "runledger-reason", ""); });
  spoil([&](FakeRun::Letter& letter) { set(letter, "runledger-first-seen", "lately"); });
  spoil([&](FakeRun::Letter& letter) { set(letter, "runledger-attempts", "0"); });
  spoil([&](FakeRun::Letter& letter) { set(letter, "runledger-offset", "some"); });

  run_.letters() = good;
  const auto renamed = [](const auto& header) { return header.first == "runledger-original-content-encoding"; };
  const auto taken_out = std::find_if(run_.letters().begin(), run_.letters().end(), [&](const FakeRun::Letter& letter) {
    return std::any_of(letter.headers.begin(), letter.headers.end(), renamed);
  });
  ASSERT_NE(taken_out, run_.letters().end());
  const FakeRun::Letter one_event = *taken_out;
  set(*taken_out, "content-type", "application/x-protobuf; messageType=runledger.v1.EventBatch");
  ExpectFinds("dead letters");
  *taken_out = one_event;
  std::find_if(taken_out->headers.begin(), taken_out->headers.end(), renamed)->first = "content-encoding";
  ExpectFinds("dead letters");
}

TEST_F(AuditTest, FindsEveryValueOfAScrape) {
  for (const char* const name :
       {"runs_started_total", "runs_finished_total", "runs_corrected_total", "late_events_total", "runs_running",
        "runs_stale", "job_stale", "success_ratio", "consecutive_failures", "last_start_timestamp_seconds",
        "last_success_timestamp_seconds", "oldest_running_start_timestamp_seconds", "last_run_duration_seconds",
        "run_duration_seconds_sum", "phase_run_duration_seconds_bucket", "phase_run_duration_seconds_sum",
        "job_info"}) {
    const std::string before = ScrapeText(kScrapes - 1);
    SpoilSample(kScrapes - 1, std::string("runledger_") + name + "{", "977.25");
    Report report;
    ASSERT_TRUE(run_.Audit(&report).ok());
    EXPECT_EQ(report.differences("values of series"), 1) << name << "\n" << report.ToText();
    SetScrapeText(kScrapes - 1, before);
  }
}

TEST_F(AuditTest, FindsSeriesThatAreMissingOrTooMany) {
  std::string text = ScrapeText(5);
  const size_t line = text.find("\nrunledger_runs_running{");
  const size_t end = text.find('\n', line + 1);
  const std::string sample = text.substr(line + 1, end - line);
  SetScrapeText(5, text.substr(0, line + 1) + text.substr(end + 1));
  ExpectFinds("series that are missing");
  SetScrapeText(5, text + sample);
  ExpectFinds("series that should not be there");
}

TEST_F(AuditTest, FindsAScrapeAtAnotherPosition) {
  SpoilSample(4, "runledger_log_applied_offset{", "1");
  ExpectFinds("values of series");
  SpoilSample(4, "runledger_log_applied_offset{", "99999999");
  ExpectFinds("scrapes");
}

TEST_F(AuditTest, FindsAnotherWatermark) {
  SpoilSample(kScrapes - 1, "runledger_log_watermark_timestamp_seconds{", "1900000000.000001");
  ExpectFinds("values of series");
}

TEST_F(AuditTest, FindsAnEmptyScrape) {
  SetScrapeText(2, "# EOF\n");
  ExpectFinds("scrapes");
}

TEST_F(AuditTest, FindsALedgerThatSaysSomethingElse) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "audit" / "FindsALedgerThatSaysSomethingElse" / "ledger.json";
  std::ifstream in(path);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  for (const char* const number : {"\"started\": ", "\"failed\": ", "\"decode\": ", "\"refused_rows\": ",
                                   "\"processor\": ", "\"records\": ", "\"history_events\": ", "\"count\": "}) {
    std::string text = good;
    const size_t at = text.find(number);
    ASSERT_NE(at, std::string::npos) << number;
    text.insert(at + std::string(number).size(), "9");
    std::ofstream(path) << text;
    ExpectFinds("ledger");
  }
}

TEST(ParseScrape, ReadsBothFormats) {
  const std::string text =
      "# TYPE runledger_runs_finished counter\n"
      "runledger_runs_finished_total{processor=\"a \\\"b\\\" \\\\ "
      "c\",phase=\"\",topic=\"t\",partition=\"3\",status=\"failed\"} 7 # "
      "{run_id=\"x\"} 1 1768217408.5\n"
      "runledger_runs_running{topic=\"t\",partition=\"3\",processor=\"a\"} 2 1768217408000\n"
      "runledger_log_watermark_timestamp_seconds{topic=\"t\",partition=\"3\"} 1.768217408123456e+09\n"
      "runledger_runs_running{topic=\"other\",partition=\"3\",processor=\"a\"} 5\n"
      "runledger_events_total{topic=\"t\",body=\"run\",framing=\"json\"} 12\n"
      "go_goroutines 3\n# EOF\n";
  const absl::StatusOr<Scrape> scrape = ParseScrape("x", text, "t");
  ASSERT_TRUE(scrape.ok()) << scrape.status();
  ASSERT_EQ(scrape->partitions.size(), 1u);
  const ScrapedPartition& partition = scrape->partitions.at(3);
  EXPECT_EQ(partition.watermark_us, 1'768'217'408'123'456);
  EXPECT_EQ(partition.series, (SeriesValues{{"runs_finished_total{processor=a \"b\" \\ c,status=failed}", 7},
                                            {"runs_running{processor=a}", 2}}));
  EXPECT_EQ(scrape->own.at("events_total{body=run,framing=json,of_topic=t}"), 12);
}

TEST(ParseScrape, RefusesWhatIsNoSample) {
  for (const char* const text : {"runledger_x", "runledger_x{", "runledger_x{a=\"b\" 3", "runledger_x{a=b} 3",
                                 "runledger_x nothing", "runledger_x{a=\"1\",a=\"2\"} 3"}) {
    EXPECT_FALSE(ParseScrape("x", text, "t").ok()) << text;
  }
}

TEST(ParseSettings, ReadsWhatTheFoldDependsOn) {
  const absl::StatusOr<Settings> settings = ParseSettings(R"(
log:
  brokers: localhost
  clock_step: 90s
  topics: [ { name: t, framing: batch }, other ]
state: { horizon: 36h, closed_runs: 1000, forget_job_after: 30d }
limits: { inflated_bytes: 8MiB, json_depth: 32 }
jobs:
  defaults: { stale_after: 2h, priority: low }
  Odds*: { max_runtime: 1h30m, phase: p }
)",
                                                          "t");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->state.clock_step_us, 90 * reference::kSecond);
  EXPECT_EQ(settings->framing, "batch");
  EXPECT_EQ(settings->state.horizon_us, 36 * reference::kHour);
  EXPECT_EQ(settings->state.closed_runs, 1000u);
  EXPECT_EQ(settings->limits.inflated_bytes, size_t{8} << 20);
  EXPECT_EQ(settings->limits.json_depth, 32);
  const reference::Policy& odds = settings->policies.Of("OddsGameLinesProcessor");
  EXPECT_EQ(odds.stale_after_us, 2 * reference::kHour);
  EXPECT_EQ(odds.max_runtime_us, 90 * reference::kMinute);
  EXPECT_EQ(odds.phase, "p");
  EXPECT_EQ(odds.priority, "low");
  const absl::StatusOr<Settings> sparse = ParseSettings("log: { brokers: localhost }", "t");
  ASSERT_TRUE(sparse.ok()) << sparse.status();
  EXPECT_EQ(sparse->state.horizon_us, Settings().state.horizon_us);
  EXPECT_FALSE(ParseSettings("state: { horizon: soon }", "t").ok());
  EXPECT_FALSE(ParseSettings("state: {", "t").ok());
}

}  // namespace
}  // namespace runledger::audit
