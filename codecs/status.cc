#include "codecs/status.h"

#include <algorithm>
#include <string>

namespace runledger::codecs {
namespace {

struct Word {
  std::string_view word;
  Status status;
};

// Sorted by status, then by where the word comes from.
constexpr Word kWords[] = {
    {"running", Status::kRunning},
    {"started", Status::kRunning},
    {"start", Status::kRunning},  // OpenLineage
    {"starting", Status::kRunning},
    {"in_progress", Status::kRunning},
    {"heartbeat", Status::kRunning},
    {"restarting", Status::kRunning},  // Airflow
    {"success", Status::kSuccess},
    {"succeeded", Status::kSuccess},
    {"successful", Status::kSuccess},
    {"complete", Status::kSuccess},   // OpenLineage
    {"completed", Status::kSuccess},  // Prefect
    {"done", Status::kSuccess},
    {"finished", Status::kSuccess},
    {"ok", Status::kSuccess},
    {"pass", Status::kSuccess},  // dbt
    {"passed", Status::kSuccess},
    {"no_data", Status::kNoData},
    {"nodata", Status::kNoData},
    {"empty", Status::kNoData},
    {"partial", Status::kPartial},
    {"partial_success", Status::kPartial},
    {"partially_succeeded", Status::kPartial},
    {"partial_failure", Status::kPartial},
    {"warn", Status::kPartial},  // dbt
    {"skipped", Status::kSkipped},
    {"skip", Status::kSkipped},
    {"upstream_failed", Status::kSkipped},  // Airflow: the task itself never ran
    {"failed", Status::kFailed},
    {"fail", Status::kFailed},  // OpenLineage, dbt
    {"failure", Status::kFailed},
    {"error", Status::kFailed},
    {"errored", Status::kFailed},
    {"runtime_error", Status::kFailed},  // dbt
    {"crashed", Status::kFailed},        // Prefect
    {"timeout", Status::kFailed},
    {"timed_out", Status::kFailed},
    {"stale_running_cleanup", Status::kFailed},
    {"aborted", Status::kAborted},
    {"abort", Status::kAborted},      // OpenLineage
    {"canceled", Status::kAborted},   // Dagster
    {"cancelled", Status::kAborted},  // Prefect
    {"killed", Status::kAborted},
    {"terminated", Status::kAborted},
};

constexpr size_t kLongestWord = 32;

// Lower case, '-' and ' ' as '_'. Words longer than any of ours come back empty.
std::string_view Normalize(std::string_view word, std::array<char, kLongestWord>& buffer) {
  if (word.size() > buffer.size()) return {};
  std::transform(word.begin(), word.end(), buffer.begin(), [](char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
  });
  return {buffer.data(), word.size()};
}

}  // namespace

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kRunning:
      return "running";
    case Status::kSuccess:
      return "success";
    case Status::kNoData:
      return "no_data";
    case Status::kPartial:
      return "partial";
    case Status::kSkipped:
      return "skipped";
    case Status::kFailed:
      return "failed";
    case Status::kAborted:
      return "aborted";
  }
  return "unknown";
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kProcessor:
      return "processor";
    case Kind::kScraper:
      return "scraper";
    case Kind::kPrediction:
      return "prediction";
  }
  return "unknown";
}

std::optional<Status> StatusFromWord(std::string_view word) {
  std::array<char, kLongestWord> buffer;
  const std::string_view normal = Normalize(word, buffer);
  for (const Word& known : kWords) {
    if (known.word == normal) return known.status;
  }
  return std::nullopt;
}

std::optional<Kind> KindFromWord(std::string_view word) {
  std::array<char, kLongestWord> buffer;
  const std::string_view normal = Normalize(word, buffer);
  for (Kind kind : {Kind::kProcessor, Kind::kScraper, Kind::kPrediction}) {
    if (KindName(kind) == normal) return kind;
  }
  return std::nullopt;
}

}  // namespace runledger::codecs
