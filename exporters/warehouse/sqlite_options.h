#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace runledger::exporters {

// The SQLite warehouse. Configuration sections `warehouse` and `secrets`.
struct SqliteOptions {
  std::string path;                  // warehouse.path; the directory must exist
  std::vector<std::string> secrets;  // secrets: members removed from opts
  int expiry_days = 90;              // warehouse.expiry: days after its ingest_date that a row goes; 0 = never
  int busy_timeout_ms = 5000;        // how long to wait for another process that holds the file's lock

  // Several submissions that wait go into one transaction, up to either bound; one submission always goes.
  size_t transaction_rows = 20'000;
  size_t transaction_bytes = size_t{16} << 20;

  // A reader that keeps one view of the file for long keeps SQLite from using the write-ahead log again. When the log
  // has this size, no more rows are taken until the reader is gone.
  int64_t wal_limit_bytes = int64_t{1} << 30;

  std::function<int64_t()> now_us;  // wall clock, microseconds since the Unix epoch; must be set
  // The time by which rows expire; nothing: not known well enough to delete anything. Not set: now_us.
  std::function<std::optional<int64_t>()> expiry_now_us;
  // Told what is wrong with the warehouse, once, and an empty text when it is well again. From the writer's thread.
  std::function<void(const std::string&)> on_problem;
};

}  // namespace runledger::exporters
