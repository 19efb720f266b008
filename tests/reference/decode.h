#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reference/event.h"

namespace runledger::reference {

// A record as Kafka has it.
struct RawRecord {
  std::string_view value;
  bool has_value = true;
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t timestamp_us = -1;  // below 0: none
};

struct Limits {
  size_t message_bytes = 10'485'760;
  size_t inflated_bytes = 67'108'864;
  size_t batch_events = 100'000;
  int json_depth = 64;
  int64_t future_us = 3'600'000'000;
};

// Why an event, or a record as a whole, cannot be used.
struct Refusal {
  std::string category;  // decode, inflate, schema, oversize, semantic
  std::string why;
};

// One event of a record, good or bad.
struct Item {
  int32_t index = 0;
  std::optional<Event> event;
  Refusal refusal;    // if there is no event
  std::string bytes;  // of a bad one: what its dead letter holds
};

struct Decoded {
  std::string framing;  // protobuf, batch, json
  std::vector<Item> items;
};

// `topic_framing`: auto, protobuf, batch or json; what headers say goes before it.
Decoded Decode(const RawRecord& record, const Limits& limits, const std::string& topic_framing = "auto");

// Parts of it.
std::optional<Event> DecodeEvent(std::string_view wire, int64_t record_time_us, const Limits& limits, Refusal* refusal);
std::optional<Event> DecodeJsonEvent(std::string_view text, int64_t record_time_us, const Limits& limits,
                                     Refusal* refusal);

// Times as RFC 3339 with a zone, and dates as 2026-01-12.
std::optional<int64_t> TimeOfText(const std::string& text);
std::optional<int64_t> DateOfText(const std::string& text);

}  // namespace runledger::reference
