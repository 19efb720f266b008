#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "aggregators/job_policy.h"
#include "codecs/record_decoder.h"
#include "ingest/pipeline.h"

namespace runledger::tools {

// The whole configuration, with its defaults. names.md lists the keys; docs/configuration.md is generated from
// DescribeKeys, which is the one place that names them.
struct Config {
  // log
  std::string brokers = "127.0.0.1:9092";
  std::string group = "runledger";
  std::string instance_id;
  std::string dead_letter_topic = "runledger.dead-letters";
  std::string start = "earliest";
  std::string clock = "wall";
  int64_t contact_timeout_us = 30'000'000;
  int64_t clock_step_us = 60'000'000;
  int64_t future_limit_us = int64_t{3'600} * 1'000'000;
  std::map<std::string, std::string> librdkafka;
  std::vector<ingest::TopicOptions> topics = {ingest::TopicOptions{.name = "runledger.events"}};
  // limits
  int64_t message_bytes = int64_t{10} << 20;
  int64_t inflated_bytes = int64_t{64} << 20;
  int64_t batch_events = 100'000;
  int64_t json_depth = 64;
  int64_t series = 100'000;
  // secrets
  std::vector<std::string> secrets = {"password", "passwd",        "api_key",     "token",        "access_token",
                                      "secret",   "client_secret", "private_key", "authorization"};
  // state
  std::string state_dir = "runledger-state";
  int64_t snapshot_interval_us = 60'000'000;
  int64_t snapshot_records = 2'000'000;
  int64_t replay_cap_us = int64_t{24} * 3'600 * 1'000'000;
  int64_t horizon_us = int64_t{24} * 3'600 * 1'000'000;
  int64_t days = 30;
  int64_t closed_runs = 1'000'000;
  int64_t open_runs = 2'000'000;
  int64_t forget_job_after_us = int64_t{90} * 86'400 * 1'000'000;
  // warehouse
  std::string warehouse_kind = "sqlite";
  std::string warehouse_path = "runledger.db";
  int64_t expiry_us = int64_t{90} * 86'400 * 1'000'000;
  int64_t batch_bytes = int64_t{4} << 20;
  int64_t batch_rows = 5'000;
  int64_t batch_age_us = 1'000'000;
  int64_t in_flight = 4;
  int64_t held_bytes = int64_t{64} << 20;
  // http
  std::string listen = "127.0.0.1:9464";
  std::string advertise;
  std::string tls_cert;
  std::string tls_key;
  std::string auth_user;
  std::string auth_password;
  std::string auth_token;
  int64_t http_threads = 4;
  int64_t http_connections = 256;
  // the process
  int64_t workers = 0;  // 0: one a core
  // jobs
  aggregators::JobPolicies policies;
};

// What a key holds and where it goes.
struct TextKey {
  std::string* value;
  std::vector<std::string> choices;  // empty: any text
  bool secret = false;
};
struct DurationKey {
  int64_t* us;
  int64_t min_us;
  int64_t max_us;
};
struct SizeKey {
  int64_t* bytes;
  int64_t min;
  int64_t max;
};
struct NumberKey {
  int64_t* value;
  int64_t min;
  int64_t max;
};
struct TextListKey {
  std::vector<std::string>* values;
};
struct TextMapKey {
  std::map<std::string, std::string>* values;
};
struct TopicsKey {
  std::vector<ingest::TopicOptions>* topics;
};
struct JobsKey {
  aggregators::JobPolicies* policies;
};
using KeyTarget = std::variant<TextKey, DurationKey, SizeKey, NumberKey, TextListKey, TextMapKey, TopicsKey, JobsKey>;

struct Key {
  std::string path;  // "log.contact_timeout"
  KeyTarget target;
  std::string_view help;  // one sentence
};

// Every key of the configuration, bound to `config`, in the order of the reference page.
std::vector<Key> DescribeKeys(Config* config);

// The keys of one entry of `jobs`, bound to `policy`.
std::vector<Key> DescribeJobKeys(aggregators::JobPolicy* policy, std::string* enabled);

// Markdown, for docs/configuration.md.
std::string ConfigurationPage();

}  // namespace runledger::tools
