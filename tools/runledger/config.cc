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
    std::string operator()(const TextListsKey&) const { return "names and lists of texts"; }
    std::string operator()(const TopicsKey&) const { return "list of topics"; }
    std::string operator()(const JobsKey&) const { return "jobs, see below"; }
    std::string operator()(const WorkflowsKey&) const { return "workflows, see below"; }
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
    std::string operator()(const TextListsKey&) const { return ""; }
    std::string operator()(const TopicsKey& key) const { return "`[" + key.topics->front().name + "]`"; }
    std::string operator()(const JobsKey&) const { return ""; }
    std::string operator()(const WorkflowsKey&) const { return ""; }
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
       "Clocks that differ by more are not believed without a second opinion: the time of a record, of this machine, "
       "of "
       "a broker. Meanwhile verdicts are unknown."},
      {"log.future_limit", DurationKey{&c->future_limit_us, 0, kYear},
       "An event whose time lies further than this after its record's time is refused."},
      {"log.librdkafka", TextMapKey{&c->librdkafka, '.'},
       "Settings passed to librdkafka as they are (security.protocol, sasl.username, ...). Not covered by any "
       "promise. One of them as a variable: `RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASSWORD`."},
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
      {"state.kafka_topic", TextKey{&c->state_kafka_topic, {}},
       "Compacted Kafka topic of the snapshots of state, instead of a directory: for several instances, and for hosts "
       "without disk."},
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
      {"spool.dir", TextKey{&c->spool_dir, {}},
       "Directory where `exec` and `emit` leave events that the log does not take, and from which they and `serve` "
       "send "
       "them; empty: none. `${XDG_STATE_HOME}` at its beginning stands for that variable, or for `~/.local/state` "
       "where "
       "it is not set. On a local disk, and the user's alone."},
      {"spool.max_bytes", SizeKey{&c->spool_max_bytes, kMiB, 64 * kGiB},
       "What the files there may take; beyond it events are refused, and that is said."},
      {"warehouse.kind", TextKey{&c->warehouse_kind, {"sqlite", "bigquery", "none"}},
       "Where rows are written; `none`: nowhere."},
      {"warehouse.path", TextKey{&c->warehouse_path, {}}, "File of the SQLite warehouse."},
      {"warehouse.project", TextKey{&c->bigquery_project, {}}, "BigQuery: the project."},
      {"warehouse.dataset", TextKey{&c->bigquery_dataset, {}},
       "BigQuery: the dataset of the table `events` and of the functions over it."},
      {"warehouse.views", TextMapKey{&c->bigquery_views},
       "BigQuery: datasets of views that do not stand beside the table, so that dashboards keep their table names: "
       "`{ processor_run_history: nba_reference }`."},
      {"warehouse.location", TextKey{&c->bigquery_location, {}},
       "BigQuery: location of datasets that `schema apply` makes; empty: the service's choice."},
      {"warehouse.endpoint", TextKey{&c->bigquery_endpoint, {}},
       "BigQuery: address of the Storage Write API, through which rows are written. `http://` turns TLS and "
       "credentials "
       "off: for emulators."},
      {"warehouse.rest_endpoint", TextKey{&c->bigquery_rest_endpoint, {}},
       "BigQuery: address of the REST API, for the schema and for queries. `http://` likewise."},
      {"warehouse.ca_file", TextKey{&c->bigquery_ca_file, {}},
       "BigQuery: file of the PEM certificates that its addresses are checked with; empty: the system's."},
      {"warehouse.credentials", TextKey{&c->bigquery_credentials, {}},
       "BigQuery: key file of a service account, or a user's; empty: Application Default Credentials in their usual "
       "order."},
      {"warehouse.expiry", DurationKey{&c->expiry_us, 0, 100 * kYear},
       "Rows are deleted this long after the day they were written; 0: never. Whole days."},
      {"warehouse.batch_rows", NumberKey{&c->batch_rows, 1, 1'000'000}, "Most rows in one submission."},
      {"warehouse.batch_bytes", SizeKey{&c->batch_bytes, kKiB, kGiB}, "Most bytes in one submission."},
      {"warehouse.batch_age", DurationKey{&c->batch_age_us, 10 * kMs, kHour}, "Longest wait of a row for company."},
      {"warehouse.request_bytes", SizeKey{&c->request_bytes, 64 * kKiB, 20 * kMiB},
       "BigQuery: most bytes of one request. The service takes 20 MiB, as its quotas say, or 10 MB, as its API says."},
      {"warehouse.in_flight", NumberKey{&c->in_flight, 1, 1'000}, "Submissions of one partition on their way at once."},
      {"warehouse.held_bytes", SizeKey{&c->held_bytes, kMiB, 64 * kGiB},
       "Rows and dead letters of one partition held in memory; beyond it the state goes on without them, and they are "
       "read again."},
      {"warehouse.refused_percent", NumberKey{&c->refused_percent, 0, 100},
       "Where the warehouse refuses more of the last rows than this, they are not taken for single bad ones: its "
       "circuit "
       "opens, and rows wait. 100: every refused row goes to the dead letters."},
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
      {"shutdown_timeout", DurationKey{&c->shutdown_timeout_us, kSecond, kHour},
       "After SIGTERM: how long giving back partitions, writing rows and committing may take. Then the process ends as "
       "it "
       "is, with exit status 1. Below the grace of your supervisor."},
      {"time_zone", TextKey{&c->time_zone, {}},
       "Zone of the IANA database in which days begin and schedules are meant, where a job names none."},
      {"calendars", TextListsKey{&c->calendars},
       "Named sets of dates for schedules: `{ game_days: [2026-01-12, 2026-01-14..2026-01-20] }`."},
      {"jobs", JobsKey{&c->policies}, "Limits and names of jobs: `defaults`, names, and patterns with `*`."},
      {"workflows", WorkflowsKey{&c->workflows},
       "What is expected of workflows, and of jobs with expected runs of their own: `defaults`, names, and patterns "
       "with `*`."},
  };
}

std::vector<Key> DescribeWorkflowKeys(WorkflowEntry* e) {
  aggregators::WorkflowPolicy* const p = &e->policy;
  return {
      {"enabled", TextKey{&e->enabled, {"true", "false"}}, "`false`: no state and no series; rows are still written."},
      {"time_zone", TextKey{&e->schedule.time_zone, {}},
       "Zone of its days and schedule; without it `time_zone` above."},
      {"schedule", TextKey{&e->schedule.text, {}},
       "When it is expected to run, written as a job's `schedule`. Each day's expected runs are made from it and "
       "written "
       "to the log. Only of a workflow that stands here under its whole name; without it whoever plans sends them."},
      {"generate_at", TextKey{&e->generate_at, {}},
       "Time of the day, by the zone's clock, at which the expected runs of that day are made. From then on they stay "
       "as they are."},
      {"only", TextListKey{&e->schedule.only},
       "No other dates have expected runs: dates, spans `2026-01-14..2026-01-20`, or names of `calendars`."},
      {"include", TextListKey{&e->schedule.include}, "Dates that have them beside those of the schedule."},
      {"exclude", TextListKey{&e->schedule.exclude}, "Dates that have none; goes over `include`."},
      {"day_starts_at", TextKey{&e->schedule.day_starts_at, {}},
       "For work past midnight: with `06:00` a run at 01:30 is one of the day before."},
      {"priority", TextKey{&p->priority, {}}, "e.g. critical, high; without it what expected runs and decisions say."},
      {"late_after", DurationKey{&p->late_after_us, 0, kYear},
       "A run that starts later than this after its time is late, and one that has not started is overdue."},
      {"match_window", DurationKey{&p->match_window_us, 0, kYear},
       "A run that starts later than this after the time is not the one that was expected then, and one that has not "
       "started is missing. The verdict stands 5 minutes later."},
      {"early_tolerance", DurationKey{&p->early_tolerance_us, 0, kYear},
       "A run that starts earlier than this before the time is not the one that was expected then."},
      {"evaluation_overdue_after", DurationKey{&p->evaluation_overdue_after_us, 0, kYear},
       "A workflow about which nobody decided for longer is not being evaluated; 0: 2h where the priority is critical, "
       "and no limit elsewhere."},
  };
}

std::vector<Key> DescribeJobKeys(JobEntry* e) {
  aggregators::JobPolicy* const p = &e->policy;
  return {
      {"enabled", TextKey{&e->enabled, {"true", "false"}}, "`false`: no state and no series; rows are still written."},
      {"display_name", TextKey{&p->display_name, {}}, "Name for people."},
      {"phase", TextKey{&p->phase, {}}, "The job's phase; without it the first phase that a run of it names."},
      {"priority", TextKey{&p->priority, {}}, "Label of `runledger_job_info`, e.g. critical, high."},
      {"revenue_impact", TextKey{&e->revenue_impact, {"true", "false"}}, "Shown where the job has issues."},
      {"stale_after", DurationKey{&p->stale_after_us, kSecond, 10 * kYear},
       "A run is stale when it has been running without a sign of life for longer."},
      {"heartbeat_silent_after", DurationKey{&p->heartbeat_silent_after_us, kSecond, 10 * kYear},
       "A run that beats is silent when no beat came for longer."},
      {"max_runtime", DurationKey{&p->max_runtime_us, 0, 10 * kYear},
       "A run is timed out when it has been running for longer; 0: no limit."},
      {"staleness_threshold", DurationKey{&p->staleness_threshold_us, kSecond, 10 * kYear},
       "The job is stale when it had no success for longer."},
      {"schedule", TextKey{&e->schedule.text, {}},
       "When the job is expected: five fields of cron, or words such as `daily`, `weekdays at 06:30`, `hourly`, "
       "`weekly "
       "on mon`. Without it no date is missed."},
      {"time_zone", TextKey{&e->schedule.time_zone, {}},
       "Zone of its days and schedule; without it `time_zone` above."},
      {"only", TextListKey{&e->schedule.only},
       "No other dates are expected: dates, spans `2026-01-14..2026-01-20`, or names of `calendars`."},
      {"include", TextListKey{&e->schedule.include}, "Dates that are expected beside those of the schedule."},
      {"exclude", TextListKey{&e->schedule.exclude}, "Dates that are not expected; goes over `include`."},
      {"day_starts_at", TextKey{&e->schedule.day_starts_at, {}},
       "For work past midnight: with `06:00` a run at 01:30 is one of the day before."},
      {"data_date_offset", NumberKey{&e->data_date_offset, -366, 366},
       "Days from the day of the work to the date that is worked on: -1 is a job for yesterday's data."},
      {"date_field", TextKey{&e->seeds.date_field, {"data_date", "processing_date", "started_at"}},
       "The date of a run that closes a date: the one that its events name (`data_date`; `processing_date` is the "
       "same), "
       "or, where they name none, with `started_at` the local day of its start."},
      {"success_counts", TextListKey{&e->success_counts},
       "Statuses that close a date: success, partial, no_data, skipped, failed, aborted."},
      {"safe_statuses", TextListKey{&e->safe_statuses},
       "Statuses of a date after which those who wait for the job may go on: those above, and missing, not_expected, "
       "running, stale_running."},
      {"lookback_days", NumberKey{&e->lookback_days, 1, 366},
       "Dates that are looked at for gaps, the present one among them; below `state.days`."},
      {"upstream", TextListKey{&p->upstream}, "Jobs that it waits for, for `runledger upstream --of`."},
      {"publication_window", TextKey{&e->publication_window, {}},
       "Discovery: hours of the day in which the job is tried, `11:00-15:00`; one that ends before it begins ends on "
       "the "
       "next day."},
      {"retry_after_no_data", DurationKey{&p->retry_after_no_data_us, kSecond, 31 * kDay},
       "Discovery: after an attempt that found nothing, not again before so long from its start."},
      {"max_retries", NumberKey{&e->max_retries, 0, 15}, "Discovery: further attempts for a date after failures."},
      {"long_running_after", DurationKey{&p->long_running_after_us, 0, 10 * kYear},
       "The job has a long-running run when one has been running for longer; 0: not looked for."},
      {"long_running_factor", TextKey{&e->long_running_factor, {}},
       "The same, for longer than so many times the p95 of its durations, e.g. 1.5; 0: not looked for."},
      {"max_concurrent", NumberKey{&p->max_concurrent, 0, 1'000'000},
       "More runs at once are an issue; 0: not looked for."},
      {"flapping_changes", NumberKey{&e->flapping_changes, 0, 19},
       "More changes between success and failure among the last 20 runs are an issue; 0: not looked for."},
      {"start_grace", DurationKey{&p->start_grace_us, 0, 31 * kDay},
       "No start for longer than this after a tick of `schedule` is an issue; 0: not looked for."},
      {"expected_frequency", TextKey{&e->seeds.expected_frequency, {}}, "Another word for `schedule`."},
      {"staleness_threshold_days", NumberKey{&e->seeds.staleness_threshold_days, 0, 3'660},
       "Another word for `staleness_threshold`, in days."},
      {"processor_filter", TextKey{&e->seeds.processor_filter, {}},
       "`processor_name = 'gamebook'`: the job's name, where the entry is called something else."},
      {"execution_table", TextKey{&e->seeds.execution_table, {}},
       "Taken for its name: `processor_run_history`, `scraper_execution_log` or `prediction_worker_runs`, in any "
       "dataset; runs are read from the log."},
      {"status_field", TextKey{&e->seeds.status_field, {}}, "`status`; there is no other."},
  };
}

std::vector<std::string> ChangedKeys(const Config& before, const Config& after) {
  struct Same {
    const KeyTarget& other;
    bool operator()(const TextKey& key) const { return *key.value == *std::get<TextKey>(other).value; }
    bool operator()(const DurationKey& key) const { return *key.us == *std::get<DurationKey>(other).us; }
    bool operator()(const SizeKey& key) const { return *key.bytes == *std::get<SizeKey>(other).bytes; }
    bool operator()(const NumberKey& key) const { return *key.value == *std::get<NumberKey>(other).value; }
    bool operator()(const TextListKey& key) const { return *key.values == *std::get<TextListKey>(other).values; }
    bool operator()(const TextMapKey& key) const { return *key.values == *std::get<TextMapKey>(other).values; }
    bool operator()(const TextListsKey& key) const { return *key.lists == *std::get<TextListsKey>(other).lists; }
    bool operator()(const TopicsKey& key) const { return *key.topics == *std::get<TopicsKey>(other).topics; }
    bool operator()(const WorkflowsKey& key) const { return *key.policies == *std::get<WorkflowsKey>(other).policies; }
    bool operator()(const JobsKey& key) const { return *key.policies == *std::get<JobsKey>(other).policies; }
  };
  Config a = before, b = after;  // keys are bound to what they could change
  const std::vector<Key> keys_a = DescribeKeys(&a), keys_b = DescribeKeys(&b);
  std::vector<std::string> changed;
  for (size_t i = 0; i < keys_a.size(); ++i) {
    if (!std::visit(Same{keys_b[i].target}, keys_a[i].target)) changed.push_back(keys_a[i].path);
  }
  return changed;
}

std::string ConfigurationPage() {
  Config config;
  JobEntry entry;
  entry.schedule.time_zone.clear();
  entry.seeds.date_field = "data_date";
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
  AppendTable(DescribeJobKeys(&entry), &page);
  WorkflowEntry workflow;
  workflow.schedule.time_zone.clear();
  page +=
      "\n## An entry of `workflows`\n\n"
      "Chosen as an entry of `jobs` is. A workflow that stands here under its whole name is missed where nobody ever "
      "decides about it; it is looked for in the first of `log.topics`.\n\n";
  AppendTable(DescribeWorkflowKeys(&workflow), &page);
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
      "  PlayerGameSummaryProcessor: { display_name: Player game summary, priority: critical, schedule: daily }\n"
      "  nbac_injury_report: { publication_window: 11:00-15:00, time_zone: America/New_York, date_field: started_at }\n"
      "workflows:\n"
      "  defaults: { time_zone: America/New_York }\n"
      "  betting_lines: { priority: critical, late_after: 15m, schedule: hourly at :05 }\n"
      "```\n";
  return page;
}

}  // namespace runledger::tools
