#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "tools/runledger/config.h"
#include "tools/runledger/instance.h"

namespace runledger::tools {

// Where a configuration was read, and how to read it again.
struct ConfigSource {
  std::string file;  // empty: the environment and the defaults alone
  std::function<absl::StatusOr<Config>()> load;
};

// Reads the configuration of a running instance again: when it is asked to, and when the file has changed. All or
// nothing: of a file with any problem, or with a change that only a restart can make, nothing is taken over, and the
// instance says so in its log, its problems and runledger_config_last_reload_successful.
class ConfigWatch {
 public:
  // `instance` and `logger` must outlive it.
  ConfigWatch(ConfigSource source, Instance* instance, spdlog::logger* logger);

  // Has it read soon, by the thread that runs Run(): to read a file may take for ever (a pipe, a file system that
  // hangs), and who waits for signals must not. Any thread.
  void Ask() { asked_ = true; }
  // Looks at the file every second until `stop`; a change counts once it has stood for a second, so that a file that is
  // being written is not read. Looks at what the name leads to, so a symbolic link that is put elsewhere is a change.
  void Run(const std::atomic<bool>& stop);

 private:
  absl::StatusOr<Config> Load() const;
  void Reload();

  const ConfigSource source_;
  Instance* const instance_;
  spdlog::logger* const logger_;
  std::atomic<bool> asked_{false};
};

}  // namespace runledger::tools
