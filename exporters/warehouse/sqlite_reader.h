#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace runledger::exporters {

// Which runs are asked for; what is empty does not matter.
struct RunQuery {
  std::string job;
  std::string status;       // running, success, ...
  std::string data_date;    // 2026-01-12
  std::string run_id_part;  // anywhere in the run id; ASCII letters of either case
  size_t limit = 20;
};

// One run of any kind, as its view shows it. Times in microseconds since the Unix epoch.
struct RunRow {
  std::string kind;  // processor, scraper, prediction
  std::string job_name;
  std::string run_id;
  int64_t attempt = 0;
  std::string status;
  std::optional<std::string> source_status;
  std::optional<std::string> phase;     // processors
  std::optional<std::string> workflow;  // processors, scrapers
  std::optional<std::string> data_date;
  int64_t began_us = 0;  // started_at, else as near as its events tell
  std::optional<int64_t> completed_us;
  std::optional<double> duration_seconds;
  std::optional<int64_t> records_processed;  // processors, scrapers
  std::optional<std::string> error_type;
  std::optional<std::string> error_message;
  int64_t first_event_us = 0;
  int64_t last_seen_us = 0;
  int64_t events = 0;
};

// One row of the table `events`: every column that is not NULL, in table order, as text. Times as RFC 3339 in UTC, BOOL
// as true or false.
struct EventRow {
  std::vector<std::pair<std::string_view, std::string>> values;  // names are static text

  // nullptr: NULL.
  const std::string* Find(std::string_view column) const;
};

// Reads a warehouse file without changing it, also while others write to it. Each call reads a state of its own. One
// thread. Errors name the file; NotFound: it is not there or no warehouse.
class SqliteReader {
 public:
  static absl::StatusOr<std::unique_ptr<SqliteReader>> Open(const std::string& path);
  ~SqliteReader();

  // The newest first.
  absl::StatusOr<std::vector<RunRow>> Runs(const RunQuery& query);
  // Every event of the run, repetitions too, in the order in which they happened.
  absl::StatusOr<std::vector<EventRow>> EventsOf(const std::string& job_name, const std::string& run_id,
                                                 int64_t attempt);

 private:
  class Impl;
  explicit SqliteReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::exporters
