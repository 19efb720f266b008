#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "codecs/status.h"

namespace runledger::aggregators {

// What a job's work on one data date came to, as those who wait for it ask: the statuses of runs, and what no run says
// of itself.
enum class DayStatus : uint8_t {
  kSuccess,
  kPartial,
  kNoData,
  kSkipped,
  kFailed,
  kAborted,
  kMissing,       // no run is known; the date may not be over yet
  kNotExpected,   // no run is known, and the schedule has none for that date
  kRunning,       // a run is under way
  kStaleRunning,  // a run says so and has given no sign of life for longer than stale_after
  kUnknown,       // what is known of the log does not tell
};
inline constexpr std::array kAllDayStatuses = {DayStatus::kSuccess,      DayStatus::kPartial,     DayStatus::kNoData,
                                               DayStatus::kSkipped,      DayStatus::kFailed,      DayStatus::kAborted,
                                               DayStatus::kMissing,      DayStatus::kNotExpected, DayStatus::kRunning,
                                               DayStatus::kStaleRunning, DayStatus::kUnknown};

// "success", "stale_running": the words of configuration and answers.
std::string_view DayStatusName(DayStatus status);
std::optional<DayStatus> DayStatusFromName(std::string_view name);
// Of the status of runs.
DayStatus DayStatusOf(codecs::Status status);

// A set of them.
class DayStatusSet {
 public:
  constexpr DayStatusSet(std::initializer_list<DayStatus> statuses) {
    for (DayStatus status : statuses) Add(status);
  }
  constexpr void Add(DayStatus status) { bits_ |= BitOf(status); }
  constexpr bool Has(DayStatus status) const { return (bits_ & BitOf(status)) != 0; }
  friend bool operator==(const DayStatusSet&, const DayStatusSet&) = default;

 private:
  static constexpr uint32_t BitOf(DayStatus status) { return uint32_t{1} << static_cast<uint32_t>(status); }
  uint32_t bits_ = 0;
};

}  // namespace runledger::aggregators
