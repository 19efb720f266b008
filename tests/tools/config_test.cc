#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tools/runledger/config_loader.h"

namespace runledger::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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
)",
                                 "f.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
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

TEST(Config, ThePageThatIsCommittedIsTheOneThatIsGenerated) {
  std::ifstream file(std::string(SOURCE_DIR) + "/docs/configuration.md");
  std::ostringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), ConfigurationPage()) << "run `runledger config reference > docs/configuration.md`";
}

}  // namespace
}  // namespace runledger::tools
