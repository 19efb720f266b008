#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "reference/decode.h"
#include "reference/event.h"

// What both decoders do once they have an event's fields. Private to the reference.
namespace runledger::reference {

// What the fields of one event say, before anybody judged it. Texts of an absent field are empty.
struct Fields {
  std::string id;
  int64_t time_us = 0;
  int64_t sequence = 0;
  bool backfill = false;
  int body = 0;  // field number; 0: none

  std::string job, run_id, source_status, phase, workflow;
  std::string action, subject;
  uint64_t status = 0;
  uint64_t kind = 0;
  int64_t attempt = 0;
  bool heartbeat = false;
  std::optional<int64_t> date, started_us, due_us;
  std::optional<double> duration_s;

  std::string refused;  // a column that cannot hold its value, and why; empty: none
};

// First what stands outside of the body: false if that alone refuses the event. `bytes`: what an event without an id is
// named after.
bool JudgeEnvelope(const Fields& fields, std::string_view bytes, int64_t record_time_us, const Limits& limits,
                   Event* event, Refusal* refusal);
// Then the body.
bool JudgeBody(Fields fields, Event* event, Refusal* refusal);

// 32 hex digits of the 128-bit hash XXH3.
std::string HexHash(std::string_view bytes);
// Id of an event that runledger writes itself.
std::string OwnId(const std::string& kind, const std::string& subject, int64_t due_us);

}  // namespace runledger::reference
