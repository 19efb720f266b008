#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/event.h"
#include "codecs/events_table.h"
#include "codecs/json.h"

namespace runledger::codecs {

// One value of a row. Which member counts follows from the column's type:
// STRING, JSON: text; INT64, TIMESTAMP (microseconds), DATE (days): integer; FLOAT64: number; BOOL: integer 0 or 1.
struct Value {
  bool null = true;
  int64_t integer = 0;
  double number = 0;
  std::string_view text;
};

// Where and when an event stands in the log, and when its row is made.
struct RowPlace {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int32_t batch_index = 0;
  int64_t log_epoch = 0;
  int64_t log_time_us = 0;
  int64_t ingested_at_us = 0;
};

// A row of the table `events`: a value for each of EventColumns(), in order. Text points into the event, or into the
// row where it had to be rewritten; reused from row to row.
class Row {
 public:
  Row() : values_(EventColumns().size()) {}

  const Value& operator[](size_t column) const { return values_[column]; }
  const std::vector<Value>& values() const { return values_; }

 private:
  friend class RowEncoder;
  std::vector<Value> values_;
  std::deque<std::string> rewritten_;  // a deque: its strings stay where they are
};

// Turns events into rows. Has no state that changes: any number of threads.
class RowEncoder {
 public:
  explicit RowEncoder(SecretNames secrets) : secrets_(std::move(secrets)) {}

  // The first column that no warehouse could hold, if any: what the decoder found, else what the other columns show.
  // Deterministic: a function of the event alone.
  ColumnRefusal Check(const Event& event) const;

  // Fills the row. `refused` is empty, or "column: reason": then the row keeps only its core. REQUIRES: Check() found
  // nothing, or `refused` says what. The event and `refused` must outlive the use of the row.
  void Encode(const RowPlace& place, const Event& event, std::string_view refused, Row* row) const;

 private:
  SecretNames secrets_;
};

// "column: reason", as the column `refused` and dead letters say it.
std::string RefusalText(const ColumnRefusal& refusal);

// The word in the column `kind`.
std::string_view RowKind(const Event& event);

}  // namespace runledger::codecs
