#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/queries/answer.h"
#include "exporters/queries/bound_query.h"

namespace runledger::exporters {

// What is said in front of the warehouse's own words, which may have many lines, where it lacks a table, view, function
// or column.
inline constexpr char kSchemaHint[] = "the warehouse lacks something, which `runledger schema apply` makes: ";

// A warehouse that can be asked. One thread. Errors say which warehouse, what it said and what to do about it.
// NotFound: it lacks something.
class History {
 public:
  virtual ~History() = default;

  // Reads alone. The columns are those that the query declares, in that order; Internal if the warehouse gives others.
  virtual absl::StatusOr<Answer> Ask(const BoundQuery& query) = 0;

  // Hands every row of `events` of one partition (the UTC day `ingest_date`, days since 1970-01-01) to `take`, in the
  // order of the log, with a value for each of ExportColumns(). Ends with the first error of `take`.
  using TakeRow = std::function<absl::Status(const std::vector<AnswerValue>& row)>;
  virtual absl::Status ReadPartition(int32_t day, const TakeRow& take) = 0;
};

// The columns of `events`, as answers have them.
std::vector<AnswerColumn> ExportColumns();

}  // namespace runledger::exporters
