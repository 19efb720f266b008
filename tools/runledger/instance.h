#pragma once

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/own_metrics.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// A whole running instance: the pipeline, its warehouse and its HTTP server, wired together. One thread.
class Instance {
 public:
  // Checks what can be checked before anything is read: the port, the warehouse's file, the settings. InvalidArgument:
  // the configuration is wrong; anything else: something outside is not as it must be, and the text says what.
  // `on_fatal`: nothing more will be read, ever; from another thread, must not block.
  static absl::StatusOr<std::unique_ptr<Instance>> Create(const Config& config, std::shared_ptr<spdlog::logger> logger,
                                                          std::function<void(const std::string&)> on_fatal = {});
  ~Instance();

  // Joins the group and begins to read.
  absl::Status Start();
  // Gives the partitions back, writes what is held, commits. Idempotent.
  void Stop();

  // Takes over what can change while it runs: the section `jobs`. FailedPrecondition names the keys that differ and
  // need a restart; then nothing is taken over. One thread at a time.
  absl::Status Reload(const Config& config);
  // What became of reading the configuration: shown as a metric and as a problem. Any thread.
  void NoteReload(const absl::Status& taken);

  // For /readyz and the status page: something about `subject` is not as it should be; an empty text: it is well again.
  // Any thread.
  void SetProblem(const std::string& subject, const std::string& text);

  // Of this process; any thread.
  ingest::OwnMetrics& metrics();

  // "127.0.0.1:9464", with the port that was really taken.
  const std::string& http_address() const;
  // http:// or https:// and the address.
  std::string url() const;

 private:
  struct Impl;
  explicit Instance(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::tools
