#include "tools/runledger/instance.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "codecs/rejection.h"
#include "exporters/http/api.h"
#include "exporters/http/http_server.h"
#include "exporters/prometheus/exposition.h"
#include "exporters/warehouse/sqlite_sink.h"
#include "ingest/kafka_snapshots.h"
#include "ingest/local_snapshots.h"
#include "ingest/pipeline.h"
#include "tools/runledger/bigquery_rows.h"
#include "tools/runledger/history_flags.h"
#include "tools/runledger/version.h"

namespace runledger::tools {
namespace {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

ingest::PipelineOptions PipelineOptionsOf(const Config& config) {
  ingest::PipelineOptions options;
  options.brokers = config.brokers;
  options.group = config.group;
  options.instance_id = config.instance_id;
  options.librdkafka = config.librdkafka;
  options.topics = config.topics;
  // So that there is time left for the last commit, and for the group's answer to it.
  options.revoke_timeout_us = std::min(options.revoke_timeout_us, config.shutdown_timeout_us / 2);
  options.workers = config.workers > 0 ? static_cast<int>(config.workers)
                                       : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));

  ingest::DeliveryOptions& delivery = options.delivery;
  delivery.limits.message_bytes = static_cast<size_t>(config.message_bytes);
  delivery.limits.inflated_bytes = static_cast<size_t>(config.inflated_bytes);
  delivery.limits.batch_events = static_cast<int32_t>(config.batch_events);
  delivery.limits.json_depth = static_cast<int32_t>(config.json_depth);
  delivery.limits.future_us = config.future_limit_us;
  delivery.start_at_end = config.start == "latest";
  delivery.log_clock = config.clock == "log";
  delivery.snapshot_interval_us = config.snapshot_interval_us;
  delivery.snapshot_records = config.snapshot_records;
  delivery.replay_cap_us = config.replay_cap_us;
  delivery.clock_step_us = config.clock_step_us;
  delivery.contact_timeout_us = config.contact_timeout_us;
  delivery.rows.batch_rows = static_cast<size_t>(config.batch_rows);
  delivery.rows.batch_bytes = static_cast<size_t>(config.batch_bytes);
  delivery.rows.batch_age_us = config.batch_age_us;
  delivery.rows.in_flight = static_cast<size_t>(config.in_flight);
  delivery.rows.held_bytes = static_cast<size_t>(config.held_bytes);
  delivery.rows.refused_percent = static_cast<int>(config.refused_percent);
  delivery.rows.dead_letter_topic = config.dead_letter_topic;

  aggregators::ShardOptions& shard = options.shard;
  shard.horizon_us = config.horizon_us;
  shard.closed_runs = static_cast<uint32_t>(config.closed_runs);
  shard.open_runs = static_cast<uint32_t>(config.open_runs);
  shard.days = static_cast<int>(config.days);
  shard.forget_job_after_us = config.forget_job_after_us;
  shard.clock_step_us = config.clock_step_us;
  return options;
}

}  // namespace

struct Instance::Impl {
  Config config;
  std::shared_ptr<spdlog::logger> logger;
  // Set by Reload, read by the HTTP server.
  std::atomic<std::shared_ptr<const aggregators::JobPolicies>> policies;
  std::atomic<std::shared_ptr<const std::string>> time_zone;
  ingest::MachineClock clock;
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics metrics;
  // In this order: the pipeline hears from the warehouse, so it goes after it; the HTTP server asks both, so it goes
  // first.
  std::unique_ptr<ingest::Pipeline> pipeline;
  std::unique_ptr<ingest::SnapshotStore> snapshots;
  std::unique_ptr<ingest::RowSink> sink;
  std::function<void()> stop_sink;
  std::unique_ptr<exporters::Exposition> exposition;
  std::unique_ptr<exporters::HttpServer> http;
  std::string address;

  absl::Status OpenHttp() {
    exposition = std::make_unique<exporters::Exposition>(
        directory, metrics, exporters::ExpositionOptions{.series_per_partition = static_cast<uint64_t>(config.series)});
    exporters::HttpOptions options;
    options.listen = config.listen;
    options.tls_cert_file = config.tls_cert;
    options.tls_key_file = config.tls_key;
    options.auth = {config.auth_user, config.auth_password, config.auth_token};
    options.threads = static_cast<unsigned>(config.http_threads);
    options.max_connections = static_cast<unsigned>(config.http_connections);
    options.log = [logger = logger](std::string_view text) { logger->debug("http: {}", text); };
    exporters::ApiOptions api;
    api.version = kVersion;
    api.time_zone = [this] { return *time_zone.load(); };
    api.policies = [this] { return policies.load(); };
    if (config.warehouse_kind != "none") api.history = [config = config] { return OpenHistory(config); };
    api.now_us = [this] { return clock.Now().wall_us; };
    auto server =
        exporters::HttpServer::Start(std::move(options), exporters::ApiRoutes(directory, *exposition, std::move(api)));
    if (!server.ok()) return server.status();
    http = std::move(*server);
    const std::string url = http->url();
    address = url.substr(url.find("//") + 2);
    return absl::OkStatus();
  }

  absl::Status OpenSnapshots() {
    if (!config.state_kafka_topic.empty()) {
      ingest::KafkaSnapshots::Options options;
      options.topic = config.state_kafka_topic;
      options.group = config.group;
      options.client = kafka::ConnectionSettings(config.brokers, config.librdkafka);
      options.log = ingest::LogCallbackTo(logger, "snapshots");
      auto kafka = std::make_unique<ingest::KafkaSnapshots>(std::move(options), pipeline->snapshot_listener(), logger);
      const absl::Status started = kafka->Start();
      snapshots = std::move(kafka);
      return started;
    }
    if (config.state_dir.empty()) {
      snapshots = std::make_unique<ingest::NoSnapshots>(pipeline->snapshot_listener());
      return absl::OkStatus();
    }
    auto local = std::make_unique<ingest::LocalSnapshots>(
        ingest::LocalSnapshots::Options{.directory = config.state_dir, .group = config.group},
        pipeline->snapshot_listener(), logger);
    const absl::Status started = local->Start();
    snapshots = std::move(local);
    return started;
  }

  // A counter that appears with its first increment hides it from increase() and rate(): all categories are there from
  // the start.
  void ShowZeros() {
    for (codecs::Category category : codecs::kAllCategories) {
      const prometheus::Labels labels = {{"category", std::string(codecs::CategoryName(category))}};
      metrics.events_rejected.Add(labels);
      metrics.dead_letters.Add(labels);
    }
    metrics.dead_letters_truncated.Add({});
    metrics.clock_unknown.Add({});
    for (const ingest::TopicOptions& topic : config.topics) metrics.partition_violations.Add({{"topic", topic.name}});
  }

  absl::Status OpenWarehouse() {
    if (config.warehouse_kind == "none") return absl::OkStatus();
    metrics.warehouse_circuit_open.Add({{"table", "events"}});
    metrics.warehouse_retries.Add({{"table", "events"}});
    const auto on_problem = [this](const std::string& text) {
      directory.SetProblem(ingest::kWarehouseProblem, text);
      metrics.warehouse_circuit_open.Add({{"table", "events"}}).Set(text.empty() ? 0 : 1);
      if (text.empty()) {
        logger->info("warehouse: well again");
      } else {
        logger->error("warehouse: {}", text);
      }
    };
    if (config.warehouse_kind == "bigquery") {
      absl::StatusOr<BigQueryRows> rows =
          OpenBigQueryRows(config, pipeline->row_sink_listener(), &metrics, on_problem, logger);
      if (!rows.ok()) return rows.status();
      sink = std::move(rows->sink);
      stop_sink = std::move(rows->stop);
      return absl::OkStatus();
    }
    exporters::SqliteOptions options;
    options.path = config.warehouse_path;
    options.secrets = config.secrets;
    options.expiry_days = static_cast<int>(config.expiry_us / kDayUs);
    options.now_us = [this] { return pipeline->EarliestTime(); };
    // A clock that was set ahead must not delete what has not expired.
    options.expiry_now_us = [this] { return pipeline->TimeToDeleteBy(); };
    options.on_problem = on_problem;
    auto sqlite = std::make_unique<exporters::SqliteSink>(std::move(options), pipeline->row_sink_listener(), &metrics);
    stop_sink = [sqlite = sqlite.get()] { sqlite->Stop(); };
    const absl::Status started = sqlite->Start();
    sink = std::move(sqlite);
    return started;
  }
};

Instance::Instance(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Instance::~Instance() { Stop(); }

absl::StatusOr<std::unique_ptr<Instance>> Instance::Create(const Config& config, std::shared_ptr<spdlog::logger> logger,
                                                           std::function<void(const std::string&)> on_fatal) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  impl->policies = std::make_shared<aggregators::JobPolicies>(config.policies);
  impl->time_zone = std::make_shared<const std::string>(config.time_zone);
  impl->logger = std::move(logger);
  impl->metrics.build_info.Add({{"version", kVersion}}).Set(1);
  impl->ShowZeros();
  impl->metrics.config_reload_successful.Add({}).Set(1);
  impl->metrics.config_reload_time.Add({}).SetToCurrentTime();
  if (absl::Status status = impl->OpenHttp(); !status.ok()) return status;

  ingest::PipelineOptions options = PipelineOptionsOf(config);
  options.delivery.advertise = config.advertise.empty() ? impl->http->url() : config.advertise;
  auto pipeline = ingest::Pipeline::Create(
      std::move(options), {.policies = impl->policies.load(),
                           .workflows = std::make_shared<aggregators::WorkflowPolicies>(config.workflows),
                           .encoder = std::make_shared<codecs::RowEncoder>(codecs::SecretNames(config.secrets)),
                           .directory = &impl->directory,
                           .metrics = &impl->metrics,
                           .clock = &impl->clock,
                           .logger = impl->logger,
                           .on_fatal = std::move(on_fatal)});
  if (!pipeline.ok()) return pipeline.status();
  impl->pipeline = std::move(*pipeline);
  if (absl::Status status = impl->OpenSnapshots(); !status.ok()) return status;
  if (absl::Status status = impl->OpenWarehouse(); !status.ok()) return status;
  return std::unique_ptr<Instance>(new Instance(std::move(impl)));
}

absl::Status Instance::Start() { return impl_->pipeline->Start(impl_->sink.get(), impl_->snapshots.get()); }

void Instance::Stop() {
  if (impl_->http != nullptr) impl_->http->Stop();
  if (impl_->pipeline != nullptr) impl_->pipeline->Stop();
  if (impl_->stop_sink) impl_->stop_sink();
}

absl::Status Instance::Reload(const Config& config) {
  std::string others;
  for (const std::string& key : ChangedKeys(impl_->config, config)) {
    // What the settings of jobs and workflows are made of.
    if (key != "jobs" && key != "workflows" && key != "calendars" && key != "time_zone")
      others += (others.empty() ? "" : ", ") + key;
  }
  if (!others.empty()) {
    return absl::FailedPreconditionError("these keys differ from those that the instance was started with: " + others +
                                         ". They need a restart; jobs and workflows can change while it runs");
  }
  auto policies = std::make_shared<const aggregators::JobPolicies>(config.policies);
  impl_->policies.store(policies);
  impl_->time_zone.store(std::make_shared<const std::string>(config.time_zone));
  impl_->pipeline->SetPolicies(std::move(policies),
                               std::make_shared<const aggregators::WorkflowPolicies>(config.workflows));
  impl_->config = config;
  return absl::OkStatus();
}

void Instance::NoteReload(const absl::Status& taken) {
  impl_->metrics.config_reload_successful.Add({}).Set(taken.ok() ? 1 : 0);
  if (taken.ok()) impl_->metrics.config_reload_time.Add({}).SetToCurrentTime();
  impl_->directory.SetProblem(ingest::kConfigProblem,
                              taken.ok() ? "" : "not taken over: " + std::string(taken.message()));
}

void Instance::SetProblem(const std::string& subject, const std::string& text) {
  impl_->directory.SetProblem(subject, text);
}

ingest::OwnMetrics& Instance::metrics() { return impl_->metrics; }

const std::string& Instance::http_address() const { return impl_->address; }
std::string Instance::url() const { return impl_->http->url(); }

}  // namespace runledger::tools
