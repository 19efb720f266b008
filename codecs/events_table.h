#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace runledger::codecs {

// The one physical table, `events`: one row per good event of the log. Declared here and nowhere else; DDL, row
// encoders, views, the documentation page and the check at start-up come from it. A field of event.proto that is
// named like a column fills it, so a new column is one line here and one field there.

// Types as BigQuery names them. SQLite: TIMESTAMP = INTEGER microseconds, DATE = TEXT 2026-01-12, JSON = TEXT, BOOL =
// 0/1.
enum class ColumnType : uint8_t { kString, kInt64, kFloat64, kBool, kTimestamp, kDate, kJson };

// Where a column's value comes from and what is kept when a row is refused.
enum class Role : uint8_t {
  kPipeline,  // the pipeline's own: identity, times, reason of refusal
  kCore,      // checked at decoding; stays when a row is refused
  kPlain,     // any other value of the event
};

struct Column {
  std::string_view name;
  ColumnType type;
  bool required;  // REQUIRED in BigQuery, NOT NULL in SQLite; else NULLABLE
  Role role;
  uint32_t max_bytes;  // of STRING and JSON; 0 = not limited by its content
  std::string_view description;
  std::string_view source;  // ids of requirements; P = the pipeline's own
};

// The columns in table order.
std::span<const Column> EventColumns();

// Index into EventColumns(), or nothing.
std::optional<size_t> FindEventColumn(std::string_view name);
// The same for a name that is known to be there; aborts otherwise.
size_t EventColumnIndex(std::string_view name);

std::string_view ColumnTypeName(ColumnType type);

struct TableLayout {
  std::string_view name;
  std::string_view partition_column;             // daily partitions
  std::span<const std::string_view> clustering;  // at most four
  int default_expiry_days;                       // a partition goes this long after its day
};

const TableLayout& EventsLayout();

}  // namespace runledger::codecs
