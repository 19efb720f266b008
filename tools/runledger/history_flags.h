#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "exporters/queries/history.h"
#include "tools/runledger/config.h"

namespace CLI {
class App;
}

namespace runledger::tools {

// Which warehouse a command asks: that of the configuration, or a SQLite file.
struct HistoryFlags {
  std::string config_file;
  std::string warehouse;

  void AddTo(CLI::App* command);
  // InvalidArgument: what is wrong with the configuration, a line each.
  absl::StatusOr<Config> Load() const;
};

// InvalidArgument: the configuration has no warehouse.
absl::StatusOr<std::unique_ptr<exporters::History>> OpenHistory(const Config& config);

// The query's SQL with its values in place, in the dialect of the configured warehouse.
std::string SqlToPaste(const Config& config, const exporters::BoundQuery& query);

}  // namespace runledger::tools
