#include "tools/runledger/config_watch.h"

#include <sys/stat.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/runledger/watch_pause.h"

namespace runledger::tools {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);

// What changes when a file is written anew or replaced; empty if it is not there.
std::string Signature(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return "";
  return absl::StrCat(status.st_dev, ":", status.st_ino, ":", status.st_size, ":", status.st_mtim.tv_sec, ".",
                      status.st_mtim.tv_nsec);
}

}  // namespace

ConfigWatch::ConfigWatch(ConfigSource source, Instance* instance, spdlog::logger* logger)
    : source_(std::move(source)), instance_(instance), logger_(logger) {}

absl::StatusOr<Config> ConfigWatch::Load() const {
  struct stat status {};
  if (!source_.file.empty() && stat(source_.file.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return absl::FailedPreconditionError(source_.file + " is no regular file, which could be read again");
  return source_.load();
}

void ConfigWatch::Reload() {
  const absl::StatusOr<Config> config = Load();
  const absl::Status taken = config.ok() ? instance_->Reload(*config) : config.status();
  if (taken.ok()) {
    logger_->info("the configuration was read again");
  } else {
    logger_->error("the configuration was read again, and nothing of it is taken over: {}",
                   std::string(taken.message()));
  }
  instance_->NoteReload(taken);
}

void ConfigWatch::Run(const std::atomic<bool>& stop) {
  using Clock = std::chrono::steady_clock;
  std::string read = Signature(source_.file), seen = read;
  for (Clock::time_point look_at = Clock::now() + kLookEvery; !stop; std::this_thread::sleep_for(kStopCheck)) {
    if (asked_.exchange(false)) Reload();
    if (source_.file.empty() || Clock::now() < look_at) continue;
    look_at = Clock::now() + kLookEvery;
    const std::string now = Signature(source_.file);
    const bool stands = now == std::exchange(seen, now);
    if (!stands || now == read) continue;
    read = now;
    Reload();
  }
}

}  // namespace runledger::tools
