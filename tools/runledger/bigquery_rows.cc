#include "tools/runledger/bigquery_rows.h"

#include "tools/runledger/bigquery_warehouse.h"

#ifdef RUNLEDGER_BIGQUERY
#include <mutex>

#include "exporters/bigquery/bigquery_sink.h"
#include "tools/runledger/wall_clock.h"
#endif

namespace runledger::tools {

#ifdef RUNLEDGER_BIGQUERY

namespace {

// Credentials whose file is of no use are looked at again, now and then: rows wait until somebody has put them right,
// and the state goes on meanwhile.
class PatientTokens : public exporters::TokenSource {
 public:
  explicit PatientTokens(exporters::CredentialsOptions options) : options_(std::move(options)) {
    Source().status().IgnoreError();  // Problem says it
  }

  // Why there are none; OK: there are.
  absl::Status Problem() const {
    const std::lock_guard lock(mutex_);
    return made_.status();
  }

  absl::StatusOr<std::string> Token(std::string_view audience) override {
    const absl::StatusOr<exporters::TokenSource*> source = Source();
    if (!source.ok()) return absl::UnauthenticatedError(source.status().message());
    return (*source)->Token(audience);
  }
  std::string Description() const override {
    const std::lock_guard lock(mutex_);
    return made_.ok() ? (*made_)->Description() : std::string(made_.status().message());
  }

 private:
  static constexpr int64_t kAgainUs = 5'000'000;

  absl::StatusOr<exporters::TokenSource*> Source() {
    const std::lock_guard lock(mutex_);
    if (!made_.ok() && options_.now_us() >= again_us_) {
      made_ = exporters::MakeTokenSource(options_);
      again_us_ = options_.now_us() + kAgainUs;
    }
    if (!made_.ok()) return made_.status();
    return made_->get();
  }

  const exporters::CredentialsOptions options_;
  mutable std::mutex mutex_;
  absl::StatusOr<std::unique_ptr<exporters::TokenSource>> made_;  // guarded by mutex_
  int64_t again_us_ = INT64_MIN;                                  // guarded by mutex_
};

}  // namespace

absl::StatusOr<BigQueryRows> OpenBigQueryRows(const Config& config, ingest::RowSinkListener* listener,
                                              ingest::OwnMetrics* metrics,
                                              std::function<void(const std::string&)> on_problem,
                                              std::shared_ptr<spdlog::logger> logger) {
  exporters::BigQueryOptions options;
  options.project = config.bigquery_project;
  options.dataset = config.bigquery_dataset;
  options.endpoint = config.bigquery_endpoint;
  options.rest_endpoint = config.bigquery_rest_endpoint;
  options.ca_file = config.bigquery_ca_file;
  options.location = config.bigquery_location;
  options.request_bytes = static_cast<size_t>(config.request_bytes);
  options.secrets = config.secrets;
  options.now_us = &WallUs;
  options.on_problem = std::move(on_problem);
  options.on_slow = [logger](const std::string& text) { logger->warn("warehouse: {}", text); };
  for (const std::string* endpoint : {&options.endpoint, &options.rest_endpoint}) {
    if (exporters::IsPlainEndpoint(*endpoint))
      logger->warn("warehouse: {} is spoken to without TLS and without credentials", *endpoint);
  }
  if (!exporters::IsPlainEndpoint(options.endpoint) || !exporters::IsPlainEndpoint(options.rest_endpoint)) {
    exporters::CredentialsOptions credentials;
    credentials.file = config.bigquery_credentials;
    credentials.ca_file = config.bigquery_ca_file;
    credentials.now_us = &WallUs;
    const auto tokens = std::make_shared<PatientTokens>(std::move(credentials));
    options.credentials = tokens;
    if (const absl::Status problem = tokens->Problem(); !problem.ok()) {
      logger->error("warehouse: {}; rows wait until there are credentials", std::string(problem.message()));
    } else {
      logger->info("warehouse: the credentials are of {}", tokens->Description());
    }
  }
  if (const absl::Status table = CheckBigQuery(config); absl::IsFailedPrecondition(table)) {
    return table;
  } else if (!table.ok()) {
    logger->error("warehouse: the table cannot be looked at now: {}", std::string(table.message()));
  }
  auto sink = std::make_unique<exporters::BigQuerySink>(std::move(options), listener, metrics);
  if (absl::Status status = sink->Start(); !status.ok()) return status;
  BigQueryRows rows;
  rows.stop = [sink = sink.get()] { sink->Stop(); };
  rows.sink = std::move(sink);
  return rows;
}

#else

absl::StatusOr<BigQueryRows> OpenBigQueryRows(const Config& config, ingest::RowSinkListener*, ingest::OwnMetrics*,
                                              std::function<void(const std::string&)>,
                                              std::shared_ptr<spdlog::logger>) {
  return CheckBigQuery(config);
}

#endif

}  // namespace runledger::tools
