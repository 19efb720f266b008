#pragma once

#include <cstdint>
#include <string_view>

#include "codecs/event.h"
#include "codecs/limits.h"
#include "codecs/quick_check.h"
#include "codecs/rejection.h"

namespace runledger::codecs {

// Decodes one protobuf `Event` in place: the fields that folding needs are read, the others are walked over. Nothing
// is allocated unless the event is refused. One thread at a time.
class EventDecoder {
 public:
  // `check_columns`: looks, on its way through a run's fields, whether the row could hold them (Event::columns_fit).
  explicit EventDecoder(const Limits& limits, bool check_columns = false)
      : limits_(limits), run_columns_(check_columns ? &QuickChecks::Of(Body::kRun) : nullptr) {}

  // `record_time_us`: the record's own timestamp, microseconds, against which "from the future" is judged; below 0:
  // the record has none and the test is left out.
  // Refused is only what prevents folding: framing, ids, status, event time; `*rejection` then says why. A bad value
  // elsewhere is left out and named in event->refused.
  bool Decode(std::string_view wire, int64_t record_time_us, Event* event, Rejection* rejection) const;

 private:
  bool DecodeRun(Event* event, Rejection* rejection) const;
  bool DecodeOther(Event* event, Rejection* rejection) const;

  Limits limits_;
  const QuickChecks* run_columns_;  // nullptr: nobody asks
};

}  // namespace runledger::codecs
