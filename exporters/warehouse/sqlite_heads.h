#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "codecs/event.h"
#include "codecs/row.h"
#include "exporters/warehouse/sqlite_database.h"

namespace runledger::exporters {

// A run, as the warehouse knows it.
struct RunKey {
  std::string job_name;
  std::string run_id;
  int64_t attempt = 0;

  friend auto operator<=>(const RunKey&, const RunKey&) = default;
};

// Keeps run_heads: one row per run, a function of the run's events whatever the order they come in. Within the
// transaction that writes the events. One thread; private to this folder.
class SqliteHeads {
 public:
  // `database` must outlive it.
  absl::Status Prepare(Database* database);

  // After the event's row was inserted. REQUIRES: event.body == codecs::Body::kRun.
  absl::Status Add(const codecs::Row& row, const codecs::Event& event, int64_t rowid);
  // Makes the head anew of the run's events that there are; removes it if there is none.
  absl::Status Remake(const RunKey& run);

 private:
  // What one event says.
  struct Said {
    std::string_view job_name, run_id, kind, status;
    int64_t attempt = 0;
    codecs::MergeKey key;
    int64_t rowid = 0;
    codecs::Value data_date, started_at, duration_seconds;
    std::string data_date_text;
    int64_t bits = 0;  // of run_heads.said
  };

  Said Read(const codecs::Row& row, const codecs::Event& event, int64_t rowid);
  // REQUIRES for both: head_ stands on the run's head.
  absl::Status Overtake(Said said);
  absl::Status AddLesser(const Said& said);
  absl::Status Store(Statement* statement, const Said& said);

  std::vector<std::pair<size_t, int>> bits_;  // columns of `events` and their bit in run_heads.said
  Statement head_, insert_, replace_, touch_, add_said_, lacks_, remove_, remake_;
};

}  // namespace runledger::exporters
