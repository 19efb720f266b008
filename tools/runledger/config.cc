#include "tools/runledger/config.h"

#include <limits>

#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

constexpr int64_t kMs = 1'000;
constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kYear = 366 * kDay;
constexpr int64_t kKiB = int64_t{1} << 10;
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

std::string Describe(const KeyTarget& target) {
  struct Visitor {
    std::string operator()(const TextKey& key) const {
      if (key.choices.empty()) return "text";
      std::string out;
      for (const std::string& choice : key.choices) out += (out.empty() ? "`" : ", `") + choice + "`";
      return out;
    }
    std::string operator()(const DurationKey& key) const {
      return "duration, " + FormatDuration(key.min_us) + " to " + FormatDuration(key.max_us);
    }
    std::string operator()(const SizeKey& key) const {
      return "size, " + FormatSize(key.min) + " to " + FormatSize(key.max);
    }
    std::string operator()(const NumberKey& key) const {
      return "number, " + std::to_string(key.min) + " to " + std::to_string(key.max);
    }
    std::string operator()(const TextListKey&) const { return "list of texts"; }
    std::string operator()(const TextMapKey&) const { return "names and values"; }
    std::string operator()(const TopicsKey&) const { return "list of topics"; }
    std::string operator()(const JobsKey&) const { return "jobs, see below"; }
  };
  return std::visit(Visitor{}, target);
}

std::string DefaultOf(const KeyTarget& target) {
  struct Visitor {
    std::string operator()(const TextKey& key) const { return key.value->empty() ? "" : "`" + *key.value + "`"; }
    std::string operator()(const DurationKey& key) const { return "`" + FormatDuration(*key.us) + "`"; }
    std::string operator()(const SizeKey& key) const { return "`" + FormatSize(*key.bytes) + "`"; }
    std::string operator()(const NumberKey& key) const { return "`" + std::to_string(*key.value) + "`"; }
    std::string operator()(const TextListKey& key) const {
      std::string out;
      for (const std::string& value : *key.values) out += (out.empty() ? "" : ", ") + value;
      return "`[" + out + "]`";
    }
    std::string operator()(const TextMapKey&) const { return ""; }
    std::string operator()(const TopicsKey& key) const { return "`[" + key.topics->front().name + "]`"; }
    std::string operator()(const JobsKey&) const { return ""; }
  };
  return std::visit(Visitor{}, target);
}

void AppendTable(const std::vector<Key>& keys, std::string* page) {
  *page += "| key | takes | default | meaning |\n|---|---|---|---|\n";
  for (const Key& key : keys) {
    *page += "| `" + key.path + "` | " + Describe(key.target) + " | " + DefaultOf(key.target) + " | " +
             std::string(key.help) + " |\n";
  }
}

}  // namespace

std::vector<Key> DescribeKeys(Config* c) {
  return {
      {"log.brokers", TextKey{&c->brokers, {}}, "Kafka's bootstrap servers, host:port, comma separated."},
      {"log.group", TextKey{&c->group, {}}, "Consumer group. Instances of one group share the partitions."},
      {"log.instance_id", TextKey{&c->instance_id, {}},
       "Name of this instance for static membership: after a restart within the session timeout it keeps its "
       "partitions. Unique in the group."},
      {"log.topics", TopicsKey{&c->topics},
       "Topics to read: a name, or { name, own, key: job\\|run, partitioner: murmur2\\|crc32\\|none, framing: "
       "auto\\|protobuf\\|batch\\|json }."},
      {"log.dead_letter_topic", TextKey{&c->dead_letter_topic, {}},
       "Where events go that cannot be used, whole and with the reason."},
      {"log.start", TextKey{&c->start, {"earliest", "latest"}}, "Where a group without a commit begins."},
      {"log.clock", TextKey{&c->clock, {"wall", "log"}},
       "`log` takes log time for the time of day: for replays and demonstrations, where this instance owns every "
       "partition."},
      {"log.contact_timeout", DurationKey{&c->contact_timeout_us, kSecond, kHour},
       "A partition counts as caught up while its leader's last answer is younger than this; verdicts are unknown "
       "after it."},
      {"log.clock_step", DurationKey{&c->clock_step_us, kSecond, kDay},
       "A jump in time beyond this needs a second opinion before it is believed."},
      {"log.future_limit", DurationKey{&c->future_limit_us, 0, kYear},
       "An event whose time lies further than this after its record's time is refused."},
      {"log.librdkafka", TextMapKey{&c->librdkafka},
       "Settings passed to librdkafka as they are (security.protocol, sasl.username, ...). Not covered by any "
       "promise."},
      {"limits.message_bytes", SizeKey{&c->message_bytes, kKiB, kGiB}, "Largest Kafka message that is decoded."},
      {"limits.inflated_bytes", SizeKey{&c->inflated_bytes, kKiB, kGiB}, "Largest message after decompression."},
      {"limits.batch_events", NumberKey{&c->batch_events, 1, 10'000'000}, "Most events in one message."},
      {"limits.json_depth", NumberKey{&c->json_depth, 2, 500}, "Deepest nesting of a JSON message."},
      {"limits.series", NumberKey{&c->series, 100, 100'000'000},
       "Most Prometheus series of one partition; jobs beyond it are summed into `_other`."},
      {"secrets", TextListKey{&c->secrets},
       "Key names removed from `opts` at any depth, without regard to case, `_` and `-`."},
      {"state.dir", TextKey{&c->state_dir, {}},
       "Directory of the snapshots of state; empty: none are kept, and state is rebuilt from the log at every start."},
      {"state.snapshot_interval", DurationKey{&c->snapshot_interval_us, kSecond, kDay},
       "A snapshot of each partition this often, if it changed."},
      {"state.snapshot_records", NumberKey{&c->snapshot_records, 1'000, 1'000'000'000},
       "A snapshot after so many records, if that is sooner."},
      {"state.replay_cap", DurationKey{&c->replay_cap_us, kMinute, kYear},
       "Most log time that is folded again where there is no snapshot and the log's beginning is gone."},
      {"state.horizon", DurationKey{&c->horizon_us, kMinute, kYear},
       "How long an ended run is remembered, in log time; events older than this before their record are history."},
      {"state.days", NumberKey{&c->days, 1, 3'660}, "Data dates that are remembered."},
      {"state.closed_runs", NumberKey{&c->closed_runs, 1'000, 1'000'000'000},
       "Most ended runs remembered for one partition."},
      {"state.open_runs", NumberKey{&c->open_runs, 1'000, 1'000'000'000},
       "Most open runs of one partition; beyond it those seen longest ago are forgotten, and counted."},
      {"state.forget_job_after", DurationKey{&c->forget_job_after_us, kDay, 10 * kYear},
       "A job without event for this long loses its state and its series."},
      {"warehouse.kind", TextKey{&c->warehouse_kind, {"sqlite", "none"}}, "Where rows are written; `none`: nowhere."},
      {"warehouse.path", TextKey{&c->warehouse_path, {}}, "File of the SQLite warehouse."},
      {"warehouse.expiry", DurationKey{&c->expiry_us, 0, 100 * kYear},
       "Rows are deleted this long after the day they were written; 0: never. Whole days."},
      {"warehouse.batch_rows", NumberKey{&c->batch_rows, 1, 1'000'000}, "Most rows in one submission."},
      {"warehouse.batch_bytes", SizeKey{&c->batch_bytes, kKiB, kGiB}, "Most bytes in one submission."},
      {"warehouse.batch_age", DurationKey{&c->batch_age_us, 10 * kMs, kHour}, "Longest wait of a row for company."},
      {"warehouse.in_flight", NumberKey{&c->in_flight, 1, 1'000}, "Submissions of one partition on their way at once."},
      {"warehouse.held_bytes", SizeKey{&c->held_bytes, kMiB, 64 * kGiB},
       "Rows and dead letters of one partition held in memory; beyond it the state goes on without them, and they are "
       "read again."},
      {"http.listen", TextKey{&c->listen, {}}, "Address and port of the HTTP server; port 0 takes a free one."},
      {"http.advertise", TextKey{&c->advertise, {}},
       "Address under which other instances and people reach this one; empty: as `http.listen`."},
      {"http.tls.cert", TextKey{&c->tls_cert, {}},
       "File of the PEM certificate chain; with `http.tls.key` the server speaks HTTPS."},
      {"http.tls.key", TextKey{&c->tls_key, {}}, "File of the PEM private key."},
      {"http.auth.user", TextKey{&c->auth_user, {}}, "With `http.auth.password`: basic authentication."},
      {"http.auth.password", TextKey{&c->auth_password, {}, true}, "Password of `http.auth.user`."},
      {"http.auth.token", TextKey{&c->auth_token, {}, true}, "Bearer token that requests must carry."},
      {"http.threads", NumberKey{&c->http_threads, 1, 256}, "Threads that answer requests."},
      {"http.connections", NumberKey{&c->http_connections, 1, 100'000},
       "Most connections at once; further ones wait to be accepted."},
      {"workers", NumberKey{&c->workers, 0, 1'024}, "Threads that fold partitions; 0: one a core."},
      {"jobs", JobsKey{&c->policies}, "Limits and names of jobs: `defaults`, names, and patterns with `*`."},
  };
}

std::vector<Key> DescribeJobKeys(aggregators::JobPolicy* p, std::string* enabled) {
  return {
      {"enabled", TextKey{enabled, {"true", "false"}}, "`false`: no state and no series; rows are still written."},
      {"display_name", TextKey{&p->display_name, {}}, "Name for people."},
      {"phase", TextKey{&p->phase, {}}, "The job's phase; without it the first phase that a run of it names."},
      {"priority", TextKey{&p->priority, {}}, "Label of `runledger_job_info`, e.g. critical, high."},
      {"stale_after", DurationKey{&p->stale_after_us, kSecond, 10 * kYear},
       "A run is stale when it has been running without a sign of life for longer."},
      {"heartbeat_silent_after", DurationKey{&p->heartbeat_silent_after_us, kSecond, 10 * kYear},
       "A run that beats is silent when no beat came for longer."},
      {"max_runtime", DurationKey{&p->max_runtime_us, 0, 10 * kYear},
       "A run is timed out when it has been running for longer; 0: no limit."},
      {"staleness_threshold", DurationKey{&p->staleness_threshold_us, kSecond, 10 * kYear},
       "The job is stale when it had no success for longer."},
  };
}

std::string ConfigurationPage() {
  Config config;
  aggregators::JobPolicy policy;
  std::string enabled = "true";
  std::string page =
      "# Configuration\n\n"
      "One YAML file, given with `--config` or `RUNLEDGER_CONFIG`. Every key can also be set as an environment "
      "variable, "
      "`RUNLEDGER_<SECTION>_<KEY>` (`RUNLEDGER_LOG_BROKERS`, `RUNLEDGER_HTTP_TLS_CERT`), which goes over the file. "
      "Durations are written "
      "`4h`, `90s`, `2d`, sizes `8MiB`. Unknown keys are errors; `runledger config check` reports every problem at "
      "once. This page is generated "
      "(`runledger config reference`).\n\n";
  AppendTable(DescribeKeys(&config), &page);
  page +=
      "\n## An entry of `jobs`\n\n"
      "A job takes the entry of its exact name, else that of the pattern with the most letters, else `defaults`. What "
      "an entry leaves out comes from "
      "`defaults`.\n\n";
  AppendTable(DescribeJobKeys(&policy, &enabled), &page);
  page +=
      "\n## Example\n\n"
      "```yaml\n"
      "log:\n"
      "  brokers: kafka-1:9092,kafka-2:9092\n"
      "  topics:\n"
      "    - runledger.events\n"
      "    - { name: legacy.runs, own: false, partitioner: crc32, framing: json }\n"
      "warehouse: { kind: sqlite, path: /var/lib/runledger/runledger.db }\n"
      "http: { listen: 0.0.0.0:9464 }\n"
      "jobs:\n"
      "  defaults: { stale_after: 4h, staleness_threshold: 2d }\n"
      "  BasketballRef*: { stale_after: 8h }\n"
      "  PlayerGameSummaryProcessor: { display_name: Player game summary, priority: critical }\n"
      "```\n";
  return page;
}

}  // namespace runledger::tools
