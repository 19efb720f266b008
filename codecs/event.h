#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codecs/hash.h"
#include "codecs/status.h"

namespace runledger::codecs {

enum class Body : uint8_t {
  kRun = 10,
  kDecision = 11,
  kExpected = 12,
  kCleanup = 13,
  kVerdict = 14
};  // field numbers of Event

inline constexpr std::array<Body, 5> kAllBodies = {Body::kRun, Body::kDecision, Body::kExpected, Body::kCleanup,
                                                   Body::kVerdict};

// "run", "decision", "expected", "cleanup", "verdict": the label `body`.
std::string_view BodyName(Body body);

// A column whose value no warehouse can hold. The event is folded all the same; its row keeps only the core.
struct ColumnRefusal {
  std::string_view column;  // empty: nothing refused. Points to static text.
  std::string_view reason;  // static text

  explicit operator bool() const { return !column.empty(); }
};

// What folding needs of a run event. Views point into the record.
struct RunFields {
  std::string_view job_name;  // never empty
  std::string_view run_id;    // never empty
  int32_t attempt = 0;        // 0 = not told
  uint64_t job_hash = 0;      // Hash64(job_name)
  Hash128 id;                 // HashRun(job_hash, run_id, attempt): who the run is
  Kind kind = Kind::kProcessor;
  Status status = Status::kRunning;
  bool heartbeat = false;
  bool closed_by_runledger = false;  // source_status is kClosedByRunledger
  std::string_view source_status;
  std::string_view phase;
  std::string_view workflow;
  std::optional<int32_t> data_date;  // days since 1970-01-01
  std::optional<int64_t> started_at_us;
  std::optional<double> duration_seconds;
};

// The keys of the other bodies; which are set depends on the body.
struct OtherFields {
  std::string_view workflow;
  std::string_view job_name;
  std::string_view action;           // decision: RUN, SKIP, ABORT
  std::string_view verdict_subject;  // verdict
  std::string_view verdict;
  std::optional<int64_t> due_us;  // expected_run_time, verdict_due
};

// One event as the rest of the house sees it. Views point into the record that it was decoded from (or into the
// decoder's buffers) and into the event itself: an Event is filled in place, is not copied, and is good until the
// next one is decoded.
struct Event {
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  std::string_view id;  // never empty: the producer's, else 32 hex digits of a hash of the event's bytes
  int64_t time_us = 0;  // microseconds since the Unix epoch, UTC
  int64_t sequence = 0;
  bool backfill = false;
  Body body = Body::kRun;
  RunFields run;      // if body == kRun
  OtherFields other;  // if not
  ColumnRefusal refused;
  bool columns_fit = false;    // each column can hold its field, but for `refused`; false: not known
  std::string_view wire;       // the whole Event message, protobuf
  std::string_view body_wire;  // its body
  // Set by RecordDecoder: the event as it came, protobuf or JSON text, and whether its record holds nothing else.
  std::string_view source;
  bool alone = true;

 private:
  friend class EventDecoder;
  std::array<char, 32> hashed_id_;
};

// Place of an event in the order in which a run's events win over each other: the greatest one is the run's state.
// Any order of arrival and any repetition gives the same greatest event.
struct MergeKey {
  uint8_t rank = 0;  // 0 running, 1 closed by runledger, 2 the producer's terminal
  int64_t time_us = 0;
  int64_t sequence = 0;
  std::string_view id;

  friend auto operator<=>(const MergeKey&, const MergeKey&) = default;
};

// REQUIRES: event.body == Body::kRun.
MergeKey MergeKeyOf(const Event& event);

// Id of an event that runledger itself writes: a function of what it is about, so that writing it twice is one event.
// `kind` is e.g. kClosedByRunledger or "verdict"; `subject` names the run or job; `due_us` is the time it became true.
std::string OwnEventId(std::string_view kind, std::string_view subject, int64_t due_us);
// The subject of an event about a run.
std::string RunSubject(std::string_view job_name, std::string_view run_id, int32_t attempt);

}  // namespace runledger::codecs
