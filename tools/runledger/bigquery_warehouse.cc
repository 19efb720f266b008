#include "tools/runledger/bigquery_warehouse.h"

#ifdef RUNLEDGER_BIGQUERY
#include "exporters/bigquery/credentials.h"
#include "exporters/bigquery/text_file.h"
#include "exporters/bigquery_rest/bigquery_history.h"
#include "exporters/bigquery_rest/bigquery_schema.h"
#include "exporters/bigquery_rest/bigquery_sql.h"
#include "tools/runledger/wall_clock.h"
#endif

namespace runledger::tools {

#ifdef RUNLEDGER_BIGQUERY

namespace {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

exporters::BigQueryPlace PlaceOf(const Config& config) {
  exporters::BigQueryPlace place;
  place.project = config.bigquery_project;
  place.dataset = config.bigquery_dataset;
  place.views = config.bigquery_views;
  place.location = config.bigquery_location;
  place.expiry_days = static_cast<int>(config.expiry_us / kDayUs);
  place.endpoint = config.bigquery_rest_endpoint;
  place.ca_file = config.bigquery_ca_file;
  return place;
}

exporters::CredentialsOptions CredentialsOf(const Config& config) {
  exporters::CredentialsOptions options;
  options.file = config.bigquery_credentials;
  options.ca_file = config.bigquery_ca_file;
  options.now_us = &WallUs;
  return options;
}

// None for http://, which is for emulators: a token must not go over the wire in the clear.
absl::StatusOr<std::unique_ptr<exporters::TokenSource>> TokensOf(const Config& config) {
  if (config.bigquery_rest_endpoint.starts_with("http://")) return nullptr;
  return exporters::MakeTokenSource(CredentialsOf(config));
}

// What the service does not understand of our requests is no wrong use of this program's user.
template <typename T>
absl::StatusOr<T> Asked(absl::StatusOr<T> answer) {
  if (absl::IsInvalidArgument(answer.status())) return absl::InternalError(answer.status().message());
  return answer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<exporters::History>> OpenBigQuery(const Config& config) {
  absl::StatusOr<std::unique_ptr<exporters::TokenSource>> tokens = TokensOf(config);
  if (!tokens.ok()) return tokens.status();
  return exporters::OpenBigQueryHistory(PlaceOf(config), *std::move(tokens));
}

absl::StatusOr<std::string> BigQueryText(const Config& config) {
  return exporters::BigQuerySchemaText(PlaceOf(config));
}

absl::StatusOr<std::vector<std::string>> BigQueryDiff(const Config& config) {
  const absl::StatusOr<std::unique_ptr<exporters::TokenSource>> tokens = TokensOf(config);
  if (!tokens.ok()) return tokens.status();
  return Asked(exporters::BigQuerySchemaDiff(PlaceOf(config), tokens->get()));
}

absl::StatusOr<std::vector<std::string>> ApplyToBigQuery(const Config& config) {
  const absl::StatusOr<std::unique_ptr<exporters::TokenSource>> tokens = TokensOf(config);
  if (!tokens.ok()) return tokens.status();
  return Asked(exporters::BigQuerySchemaApply(PlaceOf(config), tokens->get()));
}

absl::Status CheckBigQuery(const Config& config) {
  const absl::StatusOr<std::unique_ptr<exporters::TokenSource>> tokens = TokensOf(config);
  if (!tokens.ok()) return tokens.status();
  return exporters::CheckBigQueryTable(PlaceOf(config), tokens->get());
}

absl::Status CheckBigQueryFiles(const Config& config) {
  if (config.bigquery_rest_endpoint.starts_with("http://") && config.bigquery_endpoint.starts_with("http://"))
    return absl::OkStatus();
  std::string problems;
  if (const std::string& file = config.bigquery_ca_file; !file.empty()) {
    if (const auto text = exporters::ReadTextFile(file); !text.ok())
      problems = "warehouse.ca_file " + file + ": " + std::string(text.status().message()) + "\n";
  }
  if (const absl::Status made = exporters::MakeTokenSource(CredentialsOf(config)).status(); !made.ok())
    problems += std::string(made.message()) + "\n";
  if (problems.empty()) return absl::OkStatus();
  problems.pop_back();
  return absl::InvalidArgumentError(problems);
}

#else

namespace {

absl::Status Absent() {
  return absl::InvalidArgumentError(
      "warehouse.kind is bigquery, and this runledger was built without it: build with -DRUNLEDGER_BIGQUERY=ON");
}

}  // namespace

absl::StatusOr<std::unique_ptr<exporters::History>> OpenBigQuery(const Config& /*config*/) { return Absent(); }
absl::StatusOr<std::string> BigQueryText(const Config& /*config*/) { return Absent(); }
absl::StatusOr<std::vector<std::string>> BigQueryDiff(const Config& /*config*/) { return Absent(); }
absl::StatusOr<std::vector<std::string>> ApplyToBigQuery(const Config& /*config*/) { return Absent(); }
absl::Status CheckBigQuery(const Config& /*config*/) { return Absent(); }
absl::Status CheckBigQueryFiles(const Config& /*config*/) { return Absent(); }

#endif

}  // namespace runledger::tools
