#pragma once

#include <string>
#include <string_view>

#include "codecs/event.h"
#include "codecs/rejection.h"

namespace runledger::codecs {

// Turns one JSON object, the proto3 mapping of `Event`, into protobuf bytes.
//
//   {"event_time_us": 1768217408000000, "run": {"job_name": "x", "run_id": "1", "status": "running"}}
//
// Beside the mapping it reads: times as RFC 3339, dates as "2026-01-12", columns by their own names (`started_at`),
// JSON columns as plain JSON, statuses of any known vocabulary in upper or lower case. Members of a body that no
// column is named after go into `attributes`.
//
// `max_depth` bounds the nesting. On success `*wire` is the event and `*refused` names the first value that its column
// cannot take and that was left out; `*unknown_member`, if it is asked for, the first member of the event itself that
// is none of these and was left out, too. REQUIRES: `text` was found to be JSON.
bool JsonToEvent(std::string_view text, int max_depth, std::string* wire, ColumnRefusal* refused, Rejection* rejection,
                 std::string* unknown_member = nullptr);

}  // namespace runledger::codecs
