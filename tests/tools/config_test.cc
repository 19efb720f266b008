#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tools/runledger/config_loader.h"

namespace runledger::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

std::string ErrorOf(const std::string& text, const Environment& environment = {}) {
  return std::string(LoadConfig(text, "f.yaml", environment).status().message());
}

TEST(Config, NothingIsAllDefaults) {
  const auto config = LoadConfig("", "f.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->brokers, "127.0.0.1:9092");
  EXPECT_EQ(config->topics.size(), 1);
  EXPECT_EQ(config->policies.Find("any").stale_after_us, int64_t{4} * 3600 * 1'000'000);
}

TEST(Config, EntriesOfWorkflowsAreChecked) {
  const std::string error = ErrorOf(
      "workflows:\n"
      "  a: { late_after: 24:00 }\n"
      "  b: { time_zone: America/Gotham }\n"
      "  c: { late_afterwards: 3m }\n"
      "time_zone: Nowhere\n");
  EXPECT_THAT(error, AllOf(HasSubstr("workflows.a.late_after: '24:00' is not a duration"),
                           HasSubstr("workflows.b.time_zone: the time zone database has no \"America/Gotham\""),
                           HasSubstr("unknown key workflows.c.late_afterwards; did you mean workflows.c.late_after?"),
                           HasSubstr("time_zone: there is no time zone 'Nowhere'")));
}

TEST(Config, EverySectionIsRead) {
  const auto config = LoadConfig(R"(
log:
  brokers: a:1,b:2
  start: latest
  contact_timeout: 45s
  librdkafka: { security.protocol: ssl, retries: 3 }
  topics:
    - plain
    - { name: other, own: false, key: run, partitioner: crc32, framing: json }
limits: { message_bytes: 2MiB, batch_events: 7 }
secrets: [alpha, beta]
state: { horizon: 2d, days: 7 }
warehouse: { kind: none }
http: { listen: "0.0.0.0:1", tls: { cert: c.pem, key: k.pem } }
workers: 3
jobs:
  defaults: { stale_after: 6h }
  Odds*: { staleness_threshold: 3d }
  OddsGameLines: { stale_after: 1h, enabled: false }
workflows:
  defaults: { time_zone: America/New_York, match_window: 90m }
  betting_*: { priority: high }
  betting_lines: { priority: critical, late_after: 15m, evaluation_overdue_after: 1h }
  old: { enabled: false }
)",
                                 "f.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  const aggregators::WorkflowPolicy& lines = config->workflows.Find("betting_lines");
  EXPECT_EQ(lines.priority, "critical");
  EXPECT_EQ(lines.late_after_us, int64_t{15} * 60 * 1'000'000);
  EXPECT_EQ(lines.match_window_us, int64_t{90} * 60 * 1'000'000) << "of the defaults";
  EXPECT_EQ(lines.early_tolerance_us, int64_t{30} * 60 * 1'000'000);
  EXPECT_EQ(lines.time_zone, "America/New_York");
  EXPECT_EQ(config->workflows.Find("betting_props").priority, "high");
  EXPECT_FALSE(config->workflows.Find("old").enabled);
  EXPECT_EQ(config->workflows.Names(), std::vector<std::string>{"betting_lines"});
  EXPECT_EQ(config->brokers, "a:1,b:2");
  EXPECT_EQ(config->start, "latest");
  EXPECT_EQ(config->contact_timeout_us, 45'000'000);
  EXPECT_EQ(config->librdkafka.at("security.protocol"), "ssl");
  EXPECT_EQ(config->librdkafka.at("retries"), "3");
  ASSERT_EQ(config->topics.size(), 2);
  EXPECT_EQ(config->topics[0].name, "plain");
  EXPECT_TRUE(config->topics[0].own);
  EXPECT_FALSE(config->topics[1].own);
  EXPECT_FALSE(config->topics[1].keyed_by_job);
  EXPECT_EQ(config->topics[1].partitioner, kafka::Partitioner::kCrc32);
  EXPECT_EQ(config->topics[1].framing, codecs::Framing::kJson);
  EXPECT_EQ(config->message_bytes, 2 << 20);
  EXPECT_EQ(config->batch_events, 7);
  EXPECT_THAT(config->secrets, testing::ElementsAre("alpha", "beta"));
  EXPECT_EQ(config->days, 7);
  EXPECT_EQ(config->tls_key, "k.pem");
  EXPECT_EQ(config->workers, 3);
  const aggregators::JobPolicy odds = config->policies.Find("OddsOther");
  EXPECT_EQ(odds.stale_after_us, int64_t{6} * 3600 * 1'000'000) << "from the defaults";
  EXPECT_EQ(odds.staleness_threshold_us, int64_t{3} * 86'400 * 1'000'000);
  EXPECT_FALSE(config->policies.Find("OddsGameLines").enabled) << "an exact name goes before a pattern";
}

TEST(Config, TheScheduleOfAWorkflow) {
  const auto config = LoadConfig(R"(
calendars: { game_days: [2026-01-12, 2026-01-14..2026-01-15] }
workflows:
  defaults: { schedule: hourly, generate_at: 04:30 }
  betting_lines: { schedule: "daily at 09:00,18:00", only: [game_days], exclude: [2026-01-15] }
  night: { day_starts_at: 06:00, generate_at: 06:00, time_zone: UTC }
  by_others: { schedule: "" }
  "*_window": { priority: high }
time_zone: America/New_York
)",
                                 "f.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  const auto& lines = config->workflows.Find("betting_lines").plan;
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->schedule().zone().name(), "America/New_York");
  EXPECT_EQ(lines->TicksOf(20'465).size(), 2u) << "2026-01-12";
  EXPECT_EQ(lines->TicksOf(20'466).size(), 0u);
  EXPECT_EQ(lines->TicksOf(20'468).size(), 0u);
  EXPECT_EQ(lines->MadeAt(20'465), (int64_t{20'465} * 24 * 60 + 9 * 60 + 30) * 60'000'000) << "04:30 in New York";
  const auto& night = config->workflows.Find("night").plan;
  ASSERT_TRUE(night);
  EXPECT_EQ(night->TicksOf(20'465).front(), (int64_t{20'465} * 24 + 6) * 3'600 * 1'000'000);
  EXPECT_EQ(night->MadeAt(20'465), night->TicksOf(20'465).front());
  EXPECT_FALSE(config->workflows.Find("by_others").plan);
  EXPECT_TRUE(config->workflows.defaults().plan);

  // The same file says the same: nothing has changed for who reads it again.
  const auto again = LoadConfig("workflows: { w: { schedule: daily } }", "f.yaml", {});
  const auto same = LoadConfig("workflows: { w: { schedule: daily } }", "f.yaml", {});
  const auto other = LoadConfig("workflows: { w: { schedule: daily, generate_at: 05:01 } }", "f.yaml", {});
  ASSERT_TRUE(again.ok() && same.ok() && other.ok());
  EXPECT_THAT(ChangedKeys(*again, *same), testing::IsEmpty());
  EXPECT_THAT(ChangedKeys(*again, *other), testing::ElementsAre("workflows"));
}

TEST(Config, SlipsInTheScheduleOfAWorkflow) {
  const auto error_of = [](const std::string& entry) { return ErrorOf("workflows: { w: { " + entry + " } }"); };
  EXPECT_THAT(error_of("schedule: sometimes"), HasSubstr("workflows.w.schedule: "));
  EXPECT_THAT(error_of("generate_at: noon"), HasSubstr("workflows.w.generate_at: "));
  EXPECT_THAT(error_of("only: [2026-01-12]"), HasSubstr("workflows.w.schedule: is missing"));
  EXPECT_THAT(error_of("schedule: daily, exclude: [bank_holidays]"), HasSubstr("workflows.w.schedule: "));
  EXPECT_THAT(error_of("shedule: daily"), HasSubstr("did you mean workflows.w.schedule?"));
  EXPECT_THAT(
      ErrorOf("log: { topics: [{ name: t, own: false }] }\nworkflows: { w: { schedule: daily } }"),
      HasSubstr("workflows.w.schedule: expected runs are written to the first of log.topics, and t is not ours"));
  EXPECT_THAT(ErrorOf("limits: { batch_events: 1499 }\nworkflows: { w: { schedule: daily } }"),
              HasSubstr("limits.batch_events must be at least 1500"));
  EXPECT_TRUE(LoadConfig("limits: { batch_events: 1 }\nworkflows: { defaults: { schedule: daily } }", "f", {}).ok());
}

// Two readings of one file are equal: a reload judges no job anew of which the file says what it said.
TEST(Config, SchedulesAreComparedByWhatTheySay) {
  const std::string text = "jobs: { report: { schedule: daily, only: [2026-01-12] } }";
  const auto a = LoadConfig(text, "f.yaml", {}), b = LoadConfig(text, "f.yaml", {});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->policies, b->policies);
  EXPECT_THAT(ChangedKeys(*a, *b), testing::IsEmpty());
}

TEST(Config, WhatIsExpectedOfAJob) {
  const auto config = LoadConfig(R"(
time_zone: America/New_York
calendars: { game_days: [2026-01-12, 2026-01-14..2026-01-15] }
jobs:
  defaults: { lookback_days: 14, success_counts: [success, skipped] }
  report:
    schedule: daily
    only: [game_days]
    safe_statuses: [success, no_data]
    publication_window: 22:00-02:30
    retry_after_no_data: 30m
    max_retries: 5
    long_running_factor: 1.5
    upstream: [a, b]
  other: { time_zone: UTC, schedule: "0 5 * * mon" }
)",
                                 "f.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  using aggregators::DayStatus;
  const aggregators::JobPolicy& report = config->policies.Find("report");
  EXPECT_EQ(report.time_zone.name(), "America/New_York");
  ASSERT_TRUE(report.schedule);
  EXPECT_EQ(report.schedule->ExpectedDates(20'460, 20'470), (std::vector<int32_t>{20'465, 20'467, 20'468}));
  EXPECT_EQ(report.lookback_days, 14) << "from the defaults";
  EXPECT_TRUE(report.success_counts.Has(DayStatus::kSkipped));
  EXPECT_TRUE(report.safe_statuses.Has(DayStatus::kNoData));
  EXPECT_FALSE(report.safe_statuses.Has(DayStatus::kStaleRunning));
  ASSERT_TRUE(report.publication_window);
  EXPECT_EQ(report.publication_window->from_minute, 22 * 60);
  EXPECT_EQ(report.publication_window->to_minute, 2 * 60 + 30);
  EXPECT_EQ(report.retry_after_no_data_us, int64_t{1800} * 1'000'000);
  EXPECT_EQ(report.max_retries, 5);
  EXPECT_EQ(report.long_running_factor, 1.5);
  EXPECT_THAT(report.upstream, testing::ElementsAre("a", "b"));
  EXPECT_EQ(config->policies.Find("other").schedule->zone().name(), "UTC");
  EXPECT_EQ(config->policies.Find("never named").time_zone.name(), "America/New_York");
  EXPECT_FALSE(config->policies.Find("never named").schedule);
}

// The configuration of the execution monitor, as it was.
constexpr char kMonitorEntry[] = R"(
jobs:
  gamebook_processor:
    display_name: Gamebook
    execution_table: nba_reference.processor_run_history
    processor_filter: "processor_name = 'gamebook'"
    date_field: DATE_FIELD
    status_field: status
    expected_frequency: daily
    staleness_threshold_days: 3
    enabled: true
    priority: high
    revenue_impact: true
)";

// data_date and processing_date are two names of one thing.
TEST(Trap1, BothNamesOfTheDateAreTaken) {
  for (const char* field : {"data_date", "processing_date"}) {
    std::string text = kMonitorEntry;
    text.replace(text.find("DATE_FIELD"), 10, field);
    const auto config = LoadConfig(text, "f.yaml", {});
    ASSERT_TRUE(config.ok()) << config.status();
    const aggregators::JobPolicy& policy = config->policies.Find("gamebook");
    EXPECT_EQ(policy.key, "gamebook_processor") << "the entry's name is not that of the job";
    EXPECT_EQ(config->policies.NameOf("gamebook_processor"), "gamebook");
    EXPECT_THAT(config->policies.Names(), testing::ElementsAre("gamebook"));
    EXPECT_EQ(policy.staleness_threshold_us, int64_t{3} * 86'400 * 1'000'000);
    EXPECT_EQ(policy.schedule->text(), "daily");
    EXPECT_FALSE(policy.date_is_start);
    EXPECT_TRUE(policy.revenue_impact);
    EXPECT_EQ(policy.priority, "high");
  }
  EXPECT_THAT(ErrorOf(kMonitorEntry), HasSubstr("f.yaml:7: jobs.gamebook_processor.date_field"));
}

TEST(Config, WhatCannotBeMappedIsSaid) {
  const auto error_of = [](const std::string& entry) { return ErrorOf("jobs:\n  x: { " + entry + " }\n"); };
  EXPECT_THAT(error_of("execution_table: a.b.other"),
              HasSubstr("f.yaml:2: jobs.x.execution_table: 'a.b.other' is none"));
  EXPECT_THAT(error_of("processor_filter: \"a LIKE 'b%'\""), HasSubstr("does not name one job"));
  EXPECT_THAT(error_of("status_field: state"), HasSubstr("jobs.x.status_field: 'state' is not status"));
  EXPECT_THAT(error_of("expected_frequency: sometimes"), HasSubstr("jobs.x.schedule"));
  EXPECT_THAT(error_of("schedule: hourly, expected_frequency: daily"), HasSubstr("says something else than schedule"));
  EXPECT_THAT(error_of("staleness_threshold: 1d, staleness_threshold_days: 2"), HasSubstr("leave one of them out"));
  EXPECT_THAT(error_of("success_counts: [succes]"), HasSubstr("'succes' is not one of success, partial"));
  EXPECT_THAT(error_of("success_counts: [running]"), HasSubstr("'running' is not one of"));
  EXPECT_THAT(error_of("publication_window: 11:00-24:00"), HasSubstr("is not a span of a day like 11:00-15:00"));
  EXPECT_THAT(error_of("long_running_factor: nan"), HasSubstr("long_running_factor"));
  EXPECT_THAT(error_of("time_zone: Mars/Base"), HasSubstr("jobs.x.time_zone"));
  EXPECT_THAT(error_of("exclude: [2026-01-01]"), HasSubstr("jobs.x.schedule: is missing"));
  EXPECT_THAT(error_of("schedule: daily, lookback_days: 30"), HasSubstr("state.days keeps 30"));
  EXPECT_THAT(ErrorOf("jobs:\n  a: { processor_filter: \"processor_name = 'b'\" }\n  b: {}\n"),
              HasSubstr("jobs.b is set twice"));
  EXPECT_THAT(ErrorOf("calendars: { c: [2026-01-32] }\n"), HasSubstr("calendars.c"));
}

TEST(Config, UnknownKeysAreNamedWithLineAndNearestName) {
  EXPECT_THAT(ErrorOf("log:\n  borkers: x\n"),
              HasSubstr("f.yaml:2: unknown key log.borkers; did you mean log.brokers?"));
  EXPECT_THAT(ErrorOf("warehose: {}\n"), HasSubstr("unknown key warehose; did you mean warehouse?"));
  EXPECT_THAT(ErrorOf("jobs:\n  x: { stale: 4h }\n"), HasSubstr("f.yaml:2: unknown key jobs.x.stale"));
  EXPECT_THAT(ErrorOf("log: { topics: [ { name: a, farming: json } ] }"),
              HasSubstr("did you mean log.topics.framing?"));
}

TEST(Config, EveryProblemIsReportedAtOnce) {
  const std::string errors = ErrorOf(
      "log: { contact_timeout: soon, start: middle }\n"
      "limits: { message_bytes: 1B, json_depth: many }\n"
      "http: { tls: { cert: only.pem } }\n");
  EXPECT_THAT(errors, HasSubstr("log.contact_timeout: 'soon' is not a duration like 4h, 90s or 2d"));
  EXPECT_THAT(errors, HasSubstr("log.start: 'middle' is not one of earliest, latest"));
  EXPECT_THAT(errors, HasSubstr("limits.message_bytes: 1B is outside 1KiB to 1GiB"));
  EXPECT_THAT(errors, HasSubstr("limits.json_depth: 'many' is not a whole number"));
  EXPECT_THAT(errors, HasSubstr("http.tls needs both cert and key"));
}

TEST(Config, ValuesThatCannotWorkAreFoundBeforeAnythingRuns) {
  EXPECT_THAT(ErrorOf("log: { dead_letter_topic: '' }"),
              HasSubstr("log.dead_letter_topic: \"\" is no name of a topic"));
  EXPECT_THAT(ErrorOf("log: { topics: ['b c', '../x'] }"),
              AllOf(HasSubstr("\"b c\" is no name"), HasSubstr("\"../x\" is no name")));
  EXPECT_THAT(ErrorOf("log: { group: '' }"), HasSubstr("log.group is empty"));
  EXPECT_THAT(ErrorOf("log: { librdkafka: { bogus.one: 1, bogus.two: 2 } }"),
              AllOf(HasSubstr("bogus.one"), HasSubstr("bogus.two")));
  for (const char* listen : {"nonsense", "9999", "127.0.0.1:99999", "127.0.0.1:"})
    EXPECT_THAT(ErrorOf(std::string("http: { listen: '") + listen + "' }"), HasSubstr("is not address:port"));
  EXPECT_THAT(ErrorOf("warehouse: { path: ':memory:' }"), HasSubstr("is not the path of a file"));
  EXPECT_THAT(ErrorOf("jobs:\n  a: {}\n  a: {}\n"), HasSubstr("f.yaml:3: jobs.a is set twice"));
  EXPECT_THAT(ErrorOf("jobs:\n  '': {}\n"), HasSubstr("a name is empty"));
}

TEST(Config, WhatServeWouldRefuseIsFoundBefore) {
  EXPECT_THAT(ErrorOf("log: { librdkafka: { enable.auto.commit: \"true\" } }"),
              HasSubstr("log.librdkafka.enable.auto.commit cannot be set"));
  EXPECT_THAT(ErrorOf("log: { brokers: \",,\" }"), HasSubstr("names no broker"));
  EXPECT_THAT(ErrorOf("log: { brokers: \"a:9092,localhost:99999\" }"),
              HasSubstr("\"localhost:99999\" is not host:port"));
  EXPECT_THAT(ErrorOf("log: { brokers: \"a:\" }"), HasSubstr("is not host:port"));
  EXPECT_TRUE(LoadConfig("log: { brokers: \"a,b:1,[::1],[::1]:9092\" }", "f", {}).ok());
  EXPECT_THAT(ErrorOf("workers: 3\n---\nworkers: 4\n"), HasSubstr("has 2 documents"));
  EXPECT_TRUE(LoadConfig("---\nworkers: 3\n", "f", {}).ok());
}

// An empty secret is a secret that was not found, and must not open what it was to close.
TEST(Config, AnEmptySecretIsNoSecret) {
  EXPECT_THAT(ErrorOf("http: { auth: { token: \"\" } }"), HasSubstr("http.auth.token is set and empty"));
  const auto variable = LoadConfig("", "f", {{"RUNLEDGER_HTTP_AUTH_TOKEN", ""}});
  EXPECT_THAT(std::string(variable.status().message()), HasSubstr("http.auth.token is set and empty"));
}

TEST(Config, SnapshotsGoToOnePlace) {
  const auto load = [](const std::string& text, const Environment& environment = {}) {
    return LoadConfig(text, "f.yaml", environment);
  };
  EXPECT_EQ(load("")->state_dir, Config().state_dir);
  EXPECT_EQ(load("state: { dir: '' }")->state_dir, "");
  const auto in_kafka = load("state: { kafka_topic: snapshots }");
  ASSERT_TRUE(in_kafka.ok()) << in_kafka.status();
  EXPECT_EQ(in_kafka->state_kafka_topic, "snapshots");
  EXPECT_EQ(in_kafka->state_dir, "") << "the default directory gives way";
  EXPECT_TRUE(load("state: { kafka_topic: snapshots, dir: '' }").ok());
  EXPECT_EQ(load("", {{"RUNLEDGER_STATE_KAFKA_TOPIC", "snapshots"}})->state_dir, "");
  const auto message = [&](const std::string& text) { return std::string(load(text).status().message()); };
  EXPECT_THAT(message("state: { kafka_topic: snapshots, dir: here }"), HasSubstr("both set"));
  EXPECT_THAT(message("state: { kafka_topic: 'a b' }"), HasSubstr("state.kafka_topic"));
  EXPECT_THAT(message("state: { kafka_topic: runledger.events }"), HasSubstr("a topic of its own"));
  EXPECT_THAT(message("state: { kafka_topic: runledger.dead-letters }"), HasSubstr("a topic of its own"));
}

TEST(Config, WhatIsNoConfigurationIsSaid) {
  EXPECT_THAT(ErrorOf("log: [unclosed"), HasSubstr("not YAML"));
  EXPECT_THAT(ErrorOf("just text"), HasSubstr("must hold keys"));
  EXPECT_THAT(ErrorOf("log: 7"), HasSubstr("log must hold keys"));
  EXPECT_THAT(ErrorOf("log: { brokers: [a, b] }"), HasSubstr("log.brokers takes one value"));
  EXPECT_THAT(ErrorOf("\xff\xfe"), HasSubstr("not UTF-8"));
  EXPECT_THAT(ErrorOf("log: { topics: [a, a] }"), HasSubstr("listed twice"));
  EXPECT_THAT(ErrorOf("log: { topics: [] }"), HasSubstr("at least one topic"));
  EXPECT_THAT(ErrorOf("log: { topics: [x], dead_letter_topic: x }"), HasSubstr("it would feed itself"));
}

TEST(Config, TheEnvironmentGoesOverTheFile) {
  const auto config = LoadConfig("log: { brokers: file:1 }\n", "f.yaml",
                                 {{"RUNLEDGER_LOG_BROKERS", "env:2"},
                                  {"RUNLEDGER_WAREHOUSE_HELD_BYTES", "32MiB"},
                                  {"RUNLEDGER_LOG_TOPICS", "a,b"},
                                  {"RUNLEDGER_HTTP_TLS_CERT", "c"},
                                  {"RUNLEDGER_HTTP_TLS_KEY", "k"},
                                  {"RUNLEDGER_JOB", "set by exec for its children"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->brokers, "env:2");
  EXPECT_EQ(config->held_bytes, 32 << 20);
  EXPECT_EQ(config->topics.size(), 2);
  EXPECT_EQ(config->tls_cert, "c");
  EXPECT_THAT(
      ErrorOf("", {{"RUNLEDGER_LOG_BROKER", "x"}}),
      HasSubstr("$RUNLEDGER_LOG_BROKER: unknown key RUNLEDGER_LOG_BROKER; did you mean RUNLEDGER_LOG_BROKERS?"));
}

TEST(Config, ASecretOfTheClientNeedNotStandInTheFile) {
  const Environment environment = {{"RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASSWORD", "s_e cret"},
                                   {"RUNLEDGER_LOG_LIBRDKAFKA_SESSION_TIMEOUT_MS", "9000"},
                                   {"RUNLEDGER_WAREHOUSE_VIEWS_PROCESSOR_RUN_HISTORY", "reference"}};
  const auto config = LoadConfig(
      "log: { librdkafka: { session.timeout.ms: 6000, sasl.username: us } }\n"
      "warehouse: { kind: bigquery, project: p, dataset: d }\n",
      "f.yaml", environment);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->librdkafka, UnorderedElementsAre(Pair("sasl.username", "us"), Pair("sasl.password", "s_e cret"),
                                                       Pair("session.timeout.ms", "9000")));
  EXPECT_THAT(config->bigquery_views, UnorderedElementsAre(Pair("processor_run_history", "reference")));
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASWORD", "x"}}), HasSubstr("sasl.pasword"));
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASSWORD", ""}}),
              HasSubstr("$RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASSWORD: is set and empty"));
}

TEST(Config, WhatAVariableSetIsBlamedOnTheVariable) {
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_TIME_ZONE", "Foo"}}), HasSubstr("$RUNLEDGER_TIME_ZONE: time_zone: there is no"));
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASWORD", "x"}}),
              HasSubstr("$RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASWORD: "));
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_HTTP_LISTEN", "x"}}), HasSubstr("$RUNLEDGER_HTTP_LISTEN: http.listen: \"x\""));
  EXPECT_THAT(
      ErrorOf("", {{"RUNLEDGER_LOG_LIBRDKAFKA_ENABLE_AUTO_COMMIT", "true"}}),
      HasSubstr("$RUNLEDGER_LOG_LIBRDKAFKA_ENABLE_AUTO_COMMIT: log.librdkafka.enable.auto.commit cannot be set"));
  EXPECT_THAT(ErrorOf("", {{"RUNLEDGER_JOBS_ORDERS_SCHEDULE", "daily"}}),
              HasSubstr("$RUNLEDGER_JOBS_ORDERS_SCHEDULE: jobs, workflows and calendars cannot be set by variables"));
}

TEST(Config, WhatWouldHaveNoEffectIsRefused) {
  EXPECT_THAT(ErrorOf("log: { librdkafka: { group.id: g, bootstrap.servers: b } }"),
              AllOf(HasSubstr("log.librdkafka.group.id cannot be set: write log.group"),
                    HasSubstr("log.librdkafka.bootstrap.servers cannot be set: write log.brokers")));
  EXPECT_THAT(ErrorOf("workflows: { 'w*': { schedule: hourly } }"), HasSubstr("workflows.w*.schedule: of a pattern"));
  EXPECT_TRUE(LoadConfig("workflows: { defaults: { schedule: hourly }, 'w*': { priority: low } }", "f.yaml", {}).ok());
}

TEST(Config, WhatDiffersIsNamed) {
  const auto changed = [](const std::string& before, const std::string& after) {
    const auto a = LoadConfig(before, "a.yaml", {}), b = LoadConfig(after, "b.yaml", {});
    EXPECT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    return ChangedKeys(*a, *b);
  };
  using Keys = std::vector<std::string>;
  const std::string all =
      "log: { brokers: b:1, topics: [x], librdkafka: { client.id: c } }\n"
      "secrets: [pin]\nworkers: 3\nwarehouse: { batch_bytes: 1MiB }\njobs: { a*: { stale_after: 5h } }\n";
  EXPECT_EQ(changed(all, all), Keys());
  EXPECT_EQ(changed(all, ""), (Keys{"log.brokers", "log.topics", "log.librdkafka", "secrets", "warehouse.batch_bytes",
                                    "workers", "jobs"}));
  EXPECT_EQ(changed("jobs: { a: { priority: high } }", "jobs: { a: { priority: low } }"), Keys{"jobs"});
  EXPECT_EQ(changed("log: { topics: [{ name: x, own: true }] }", "log: { topics: [{ name: x, own: false }] }"),
            Keys{"log.topics"});
  EXPECT_EQ(changed("http: { auth: { user: u, password: p } }", "http: { auth: { user: u, password: q } }"),
            Keys{"http.auth.password"});
}

TEST(Config, ThePageThatIsCommittedIsTheOneThatIsGenerated) {
  std::ifstream file(std::string(SOURCE_DIR) + "/docs/configuration.md");
  std::ostringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), ConfigurationPage()) << "run `runledger config reference > docs/configuration.md`";
}

}  // namespace
}  // namespace runledger::tools
