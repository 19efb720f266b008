#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace runledger::codecs {

// What a run is. Numbers as in event.proto; KIND_UNSPECIFIED is read as kProcessor.
enum class Kind : uint8_t { kProcessor = 1, kScraper = 2, kPrediction = 3 };

// The one vocabulary of run states. Numbers as in event.proto.
enum class Status : uint8_t {
  kRunning = 1,
  kSuccess = 2,
  kNoData = 3,
  kPartial = 4,
  kSkipped = 5,
  kFailed = 6,
  kAborted = 7,
};

inline constexpr int kTerminalStatuses = 6;  // every status but kRunning

inline constexpr std::array<Status, kTerminalStatuses> kAllTerminalStatuses = {
    Status::kSuccess, Status::kNoData, Status::kPartial, Status::kSkipped, Status::kFailed, Status::kAborted};

// 0..5, in the order of kAllTerminalStatuses. REQUIRES: status is terminal.
constexpr int TerminalIndex(Status status) { return static_cast<int>(status) - 2; }
constexpr bool IsTerminal(Status status) { return status != Status::kRunning; }
// A run that ended badly. no_data, skipped and partial are neither success nor failure.
constexpr bool IsFailure(Status status) { return status == Status::kFailed || status == Status::kAborted; }

// "running", "success", "no_data", ...: the words of metrics, rows and answers.
std::string_view StatusName(Status status);
// All of them, for a refusal of another.
inline constexpr std::string_view kStatusWords = "running, success, no_data, partial, skipped, failed or aborted";
// "processor", "scraper", "prediction".
std::string_view KindName(Kind kind);

// The status that a word of any known vocabulary means: ours, the enum's names, OpenLineage, Airflow,
// Dagster, Prefect, dbt and plain English. Upper or lower case; '-' and ' ' count as '_'. Unknown word: nothing.
std::optional<Status> StatusFromWord(std::string_view word);
std::optional<Kind> KindFromWord(std::string_view word);

// source_status of a run that runledger itself closed because it was stale; refused from anyone else.
inline constexpr std::string_view kClosedByRunledger = "stale_running_cleanup";

}  // namespace runledger::codecs
