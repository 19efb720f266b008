#include "tools/runledger/history_flags.h"

#include <CLI/CLI.hpp>

#include "exporters/warehouse/sqlite_history.h"
#include "tools/runledger/bigquery_warehouse.h"
#include "tools/runledger/config_loader.h"

namespace runledger::tools {

void HistoryFlags::AddTo(CLI::App* command) {
  command->add_option("--config", config_file,
                      "Configuration file (YAML); without it RUNLEDGER_CONFIG, else the defaults");
  command->add_option("--warehouse", warehouse, "This SQLite warehouse instead of that of the configuration");
}

absl::StatusOr<Config> HistoryFlags::Load() const {
  absl::StatusOr<Config> config = LoadConfigFile(config_file, ProcessEnvironment());
  if (!config.ok()) return absl::InvalidArgumentError(config.status().message());
  if (!warehouse.empty()) {
    config->warehouse_kind = "sqlite";
    config->warehouse_path = warehouse;
  }
  return config;
}

absl::StatusOr<std::unique_ptr<exporters::History>> OpenHistory(const Config& config) {
  if (config.warehouse_kind == "sqlite") return exporters::OpenSqliteHistory(config.warehouse_path);
  if (config.warehouse_kind == "bigquery") return OpenBigQuery(config);
  return absl::InvalidArgumentError("warehouse.kind is none: there is no history to ask");
}

std::string SqlToPaste(const Config& config, const exporters::BoundQuery& query) {
  std::string sql = config.warehouse_kind == "bigquery"
                        ? exporters::BigQueryToPaste(query, config.bigquery_project + "." + config.bigquery_dataset)
                        : exporters::SqliteToPaste(query);
  while (sql.ends_with('\n')) sql.pop_back();
  return sql;
}

}  // namespace runledger::tools
