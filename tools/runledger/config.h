#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "aggregators/job_policy.h"
#include "aggregators/orchestration/workflow_policy.h"
#include "aggregators/schedule/schedule.h"
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
  std::string state_dir = "runledger-state";  // empty where state_kafka_topic is set
  std::string state_kafka_topic;
  int64_t snapshot_interval_us = 60'000'000;
  int64_t snapshot_records = 2'000'000;
  int64_t replay_cap_us = int64_t{24} * 3'600 * 1'000'000;
  int64_t horizon_us = int64_t{24} * 3'600 * 1'000'000;
  int64_t days = 30;
  int64_t closed_runs = 1'000'000;
  int64_t open_runs = 2'000'000;
  int64_t forget_job_after_us = int64_t{90} * 86'400 * 1'000'000;
  // spool
  std::string spool_dir = "${XDG_STATE_HOME}/runledger/spool";
  int64_t spool_max_bytes = int64_t{64} << 20;
  // warehouse
  std::string warehouse_kind = "sqlite";
  std::string warehouse_path = "runledger.db";
  std::string bigquery_project;
  std::string bigquery_dataset = "runledger";
  std::string bigquery_location;
  std::string bigquery_endpoint = "https://bigquerystorage.googleapis.com";
  std::string bigquery_rest_endpoint = "https://bigquery.googleapis.com";
  std::string bigquery_ca_file;
  std::string bigquery_credentials;
  std::map<std::string, std::string> bigquery_views;
  int64_t expiry_us = int64_t{90} * 86'400 * 1'000'000;
  int64_t batch_bytes = int64_t{4} << 20;
  int64_t batch_rows = 5'000;
  int64_t batch_age_us = 1'000'000;
  int64_t request_bytes = int64_t{9} << 20;
  int64_t in_flight = 4;
  int64_t held_bytes = int64_t{64} << 20;
  int64_t refused_percent = 50;
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
  int64_t shutdown_timeout_us = 25'000'000;
  // days
  std::string time_zone = "UTC";
  std::map<std::string, std::vector<std::string>> calendars;
  // jobs
  aggregators::JobPolicies policies;
  // workflows
  aggregators::WorkflowPolicies workflows;
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
  char underscore = '_';  // what it stands for where a variable's name ends with a name of the map
};
// Named lists of texts.
struct TextListsKey {
  std::map<std::string, std::vector<std::string>>* lists;
};
struct TopicsKey {
  std::vector<ingest::TopicOptions>* topics;
};
struct JobsKey {
  aggregators::JobPolicies* policies;
};
struct WorkflowsKey {
  aggregators::WorkflowPolicies* policies;
};
using KeyTarget = std::variant<TextKey, DurationKey, SizeKey, NumberKey, TextListKey, TextMapKey, TextListsKey,
                               TopicsKey, JobsKey, WorkflowsKey>;

struct Key {
  std::string path;  // "log.contact_timeout"
  KeyTarget target;
  std::string_view help;  // one sentence
};

// Every key of the configuration, bound to `config`, in the order of the reference page.
std::vector<Key> DescribeKeys(Config* config);

// The paths of the keys whose values differ, in the order of DescribeKeys. Secret values are compared, never named.
std::vector<std::string> ChangedKeys(const Config& before, const Config& after);

// One entry of `jobs` as it is read: the policy, and texts of which job_settings.h makes the rest of it.
struct JobEntry {
  aggregators::JobPolicy policy;
  std::string enabled = "true";
  aggregators::ScheduleSettings schedule;  // an empty text: none
  std::vector<std::string> success_counts = {"success"};
  std::vector<std::string> safe_statuses = {"success", "skipped", "not_expected", "stale_running"};
  int64_t lookback_days = 7;
  std::string publication_window;
  int64_t max_retries = 3;
  std::string long_running_factor = "0";
  int64_t flapping_changes = 0;
  int64_t data_date_offset = 0;
  std::string revenue_impact = "false";
  // Keys of the execution monitor of earlier days. They are of one entry alone: what they say is put into the above.
  struct Seeds {
    std::string execution_table;
    std::string processor_filter;
    std::string date_field;
    std::string status_field;
    std::string expected_frequency;
    int64_t staleness_threshold_days = 0;
  };
  Seeds seeds;
};

// The keys of one entry of `jobs`, bound to `entry`.
std::vector<Key> DescribeJobKeys(JobEntry* entry);

// One entry of `workflows`, likewise.
struct WorkflowEntry {
  aggregators::WorkflowPolicy policy;
  std::string enabled = "true";
  aggregators::ScheduleSettings schedule;  // an empty text: none
  std::string generate_at = "05:00";
};

// The keys of one entry of `workflows`, bound to `entry`.
std::vector<Key> DescribeWorkflowKeys(WorkflowEntry* entry);

// Markdown, for docs/configuration.md.
std::string ConfigurationPage();

}  // namespace runledger::tools
