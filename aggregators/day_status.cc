#include "aggregators/day_status.h"

namespace runledger::aggregators {

std::string_view DayStatusName(DayStatus status) {
  switch (status) {
    case DayStatus::kSuccess:
      return "success";
    case DayStatus::kPartial:
      return "partial";
    case DayStatus::kNoData:
      return "no_data";
    case DayStatus::kSkipped:
      return "skipped";
    case DayStatus::kFailed:
      return "failed";
    case DayStatus::kAborted:
      return "aborted";
    case DayStatus::kMissing:
      return "missing";
    case DayStatus::kNotExpected:
      return "not_expected";
    case DayStatus::kRunning:
      return "running";
    case DayStatus::kStaleRunning:
      return "stale_running";
    case DayStatus::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<DayStatus> DayStatusFromName(std::string_view name) {
  for (const DayStatus status : kAllDayStatuses) {
    if (DayStatusName(status) == name) return status;
  }
  return std::nullopt;
}

DayStatus DayStatusOf(codecs::Status status) {
  switch (status) {
    case codecs::Status::kRunning:
      return DayStatus::kRunning;
    case codecs::Status::kSuccess:
      return DayStatus::kSuccess;
    case codecs::Status::kNoData:
      return DayStatus::kNoData;
    case codecs::Status::kPartial:
      return DayStatus::kPartial;
    case codecs::Status::kSkipped:
      return DayStatus::kSkipped;
    case codecs::Status::kFailed:
      return DayStatus::kFailed;
    case codecs::Status::kAborted:
      return DayStatus::kAborted;
  }
  return DayStatus::kUnknown;
}

}  // namespace runledger::aggregators
