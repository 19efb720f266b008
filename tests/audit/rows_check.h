#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "audit/log_reader.h"
#include "audit/report.h"
#include "reference/event.h"

namespace runledger::audit {

// The rows that the warehouse must have: each good event of the log once, with its identity and its keys.
class RowsCheck {
 public:
  explicit RowsCheck(Report* report) : report_(*report) {}

  void Expect(const LogRecord& record, int32_t index, const reference::Event& event);
  // Reads the table `events` of a SQLite file. Reports what is missing, twice, not expected or different.
  absl::Status CheckSqlite(const std::string& path, const std::string& topic);

  int64_t expected() const;

 private:
  // 48 bytes an event: texts as hashes, names by number.
  struct Row {
    int64_t offset;
    uint64_t event_id;
    uint64_t run_id;
    int32_t index;
    int32_t job;
    int32_t attempt;  // -1: NULL
    int32_t kind;
    uint8_t status;  // 0: NULL
    bool refused;
    bool seen = false;
  };
  // A row as the warehouse has it.
  struct Found {
    int32_t partition;
    int64_t offset;
    int32_t index;
    std::string event_id, kind, status, job, run_id;
    int32_t attempt;
    bool refused;
  };

  int32_t NumberOf(const std::string& name);
  void Check(const Found& found);
  void CheckValues(const std::string& where, const Found& found, const Row& row);

  Report& report_;
  std::map<int32_t, std::vector<Row>> rows_;  // by partition, in the order of the log
  std::unordered_map<std::string, int32_t> numbers_;
  std::vector<std::string> names_;
};

}  // namespace runledger::audit
