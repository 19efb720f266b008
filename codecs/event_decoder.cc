#include "codecs/event_decoder.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "codecs/column_check.h"
#include "codecs/events_table.h"
#include "codecs/hash.h"
#include "codecs/utf8.h"
#include "codecs/wire.h"

namespace runledger::codecs {
namespace {

// Columns whose limits the decoder needs.
struct CoreColumns {
  const Column& event_id = Get("event_id");
  const Column& job_name = Get("job_name");
  const Column& run_id = Get("run_id");
  const Column& source_status = Get("source_status");
  const Column& phase = Get("phase");
  const Column& workflow = Get("workflow");
  const Column& verdict_subject = Get("verdict_subject");

  static const Column& Get(std::string_view name) { return EventColumns()[EventColumnIndex(name)]; }
};

const CoreColumns& Core() {
  static const CoreColumns kCore;
  return kCore;
}

bool Reject(Rejection* rejection, Category category, std::string text) {
  *rejection = {category, std::move(text)};
  return false;
}

bool RejectWire(Rejection* rejection, std::string_view what, const char* error) {
  return Reject(rejection, Category::kDecode,
                absl::StrCat("the bytes are no ", std::string(what), " message: ", error));
}

bool RejectType(Rejection* rejection, std::string_view name) {
  return Reject(rejection, Category::kDecode,
                absl::StrCat("field ", std::string(name), " has another wire type than event.proto says"));
}

[[gnu::noinline]] bool CheckUnusualId(const Column& column, std::string_view value, Rejection* rejection) {
  const std::string name(column.name);
  if (value.size() > column.max_bytes) {
    return Reject(rejection, Category::kOversize,
                  absl::StrCat(name, " has ", value.size(), " bytes; the table takes ", column.max_bytes));
  }
  if (!IsUtf8(value)) return Reject(rejection, Category::kDecode, absl::StrCat(name, " is not UTF-8"));
  if (value.find('\0') != std::string_view::npos) {
    return Reject(rejection, Category::kSemantic, absl::StrCat(name, " holds a NUL character"));
  }
  return true;
}

// An identifier that folding needs: absent, malformed or too long refuses the event.
bool CheckId(const Column& column, std::string_view value, Rejection* rejection) {
  return (value.size() <= column.max_bytes && IsPlain(value)) || CheckUnusualId(column, value, rejection);
}

bool RequireId(const Column& column, std::string_view value, Rejection* rejection) {
  if (value.empty())
    return Reject(rejection, Category::kSemantic, absl::StrCat(std::string(column.name), " is missing"));
  return CheckId(column, value, rejection);
}

void RefuseColumn(Event* event, std::string_view column, std::string_view reason) {
  if (!event->refused) event->refused = {column, reason};
}

// A text that the fold uses but does without: a bad one is left out and named.
void CheckOptionalText(Event* event, const Column& column, std::string_view* value) {
  if (value->size() <= column.max_bytes && IsPlain(*value)) return;
  if (const char* reason = CheckText(column, *value)) {
    RefuseColumn(event, column.name, reason);
    *value = {};
  }
}

template <typename T>
void CheckOptional(Event* event, std::string_view column, std::optional<T>* value, const char* (*check)(T)) {
  if (!*value) return;
  if (const char* reason = check(**value)) {
    RefuseColumn(event, column, reason);
    value->reset();
  }
}

// The status that (status, source_status, heartbeat) mean together. 0 = not given.
bool ResolveStatus(uint64_t number, RunFields* run, Rejection* rejection) {
  if (number >= static_cast<uint64_t>(Status::kRunning) && number <= static_cast<uint64_t>(Status::kAborted)) {
    run->status = static_cast<Status>(number);
    return true;
  }
  if (!run->source_status.empty()) {
    const std::optional<Status> status = StatusFromWord(run->source_status);
    if (status) {
      run->status = *status;
      return true;
    }
    return Reject(
        rejection, Category::kSemantic,
        absl::StrCat(
            "status '", Utf8OrReplacement(Utf8Prefix(run->source_status, 64)),
            "' is in no known vocabulary; send running, success, no_data, partial, skipped, failed or aborted"));
  }
  if (number == 0 && run->heartbeat) {
    run->status = Status::kRunning;
    return true;
  }
  if (number == 0) return Reject(rejection, Category::kSemantic, "status is missing");
  return Reject(rejection, Category::kSchema, absl::StrCat("status number ", number, " is not known to this version"));
}

// Wire types of the hot fields of RunEvent 1..13: bytes, varint or fixed64.
constexpr WireType kRunTypes[] = {WireType::kBytes,  WireType::kBytes,  WireType::kBytes,   WireType::kVarint,
                                  WireType::kVarint, WireType::kBytes,  WireType::kBytes,   WireType::kBytes,
                                  WireType::kVarint, WireType::kVarint, WireType::kFixed64, WireType::kVarint,
                                  WireType::kVarint};
constexpr std::string_view kRunNames[] = {
    "",          "run_id",        "job_name",         "kind",      "status", "source_status", "phase", "workflow",
    "data_date", "started_at_us", "duration_seconds", "heartbeat", "attempt"};

}  // namespace

bool EventDecoder::Decode(std::string_view wire, int64_t record_time_us, Event* event, Rejection* rejection) const {
  event->wire = wire;
  event->id = {};
  event->time_us = 0;
  event->sequence = 0;
  event->backfill = false;
  event->refused = {};
  event->columns_fit = false;
  event->body_wire = {};
  uint32_t body = 0;

  WireReader reader(wire);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    const bool bytes = reader.type() == WireType::kBytes;
    if (field <= 4 || (field >= 10 && field <= 14)) {
      if (bytes != (field == 1 || field >= 10) || (!bytes && reader.type() != WireType::kVarint)) {
        return RejectType(rejection, field >= 10 ? BodyName(static_cast<Body>(field)) : "1..4 of Event");
      }
      switch (field) {
        case 1:
          event->id = reader.bytes();
          break;
        case 2:
          event->time_us = reader.int64();
          break;
        case 3:
          event->sequence = reader.int64();
          break;
        case 4:
          event->backfill = reader.boolean();
          break;
        default:
          if (body != 0) return Reject(rejection, Category::kSchema, "an event has one body; this one has two");
          body = field;
          event->body_wire = reader.bytes();
      }
    }
  }
  if (!reader.ok()) return RejectWire(rejection, "Event", reader.error());
  if (body == 0) return Reject(rejection, Category::kSchema, "the event has no body that this version knows");
  event->body = static_cast<Body>(body);

  if (event->time_us == 0) return Reject(rejection, Category::kSemantic, "event_time_us is missing");
  if (CheckTimestamp(event->time_us) != nullptr) {
    return Reject(rejection, Category::kSemantic,
                  absl::StrCat("event_time_us ", event->time_us, " is outside the years 1 to 9999"));
  }
  if (record_time_us >= 0 && event->time_us > record_time_us && event->time_us - record_time_us > limits_.future_us) {
    return Reject(
        rejection, Category::kSemantic,
        absl::StrCat("event_time_us is ", (event->time_us - record_time_us) / 1'000'000,
                     " s after the record's own time; log.future_limit allows ", limits_.future_us / 1'000'000, " s"));
  }
  if (event->id.empty()) {
    event->hashed_id_ = HexDigits(HashBytes(wire));
    event->id = {event->hashed_id_.data(), event->hashed_id_.size()};
  } else if (!CheckId(Core().event_id, event->id, rejection)) {
    return false;
  }
  return event->body == Body::kRun ? DecodeRun(event, rejection) : DecodeOther(event, rejection);
}

bool EventDecoder::DecodeRun(Event* event, Rejection* rejection) const {
  RunFields& run = event->run;
  run = {};
  uint64_t status = 0;
  uint64_t kind = 0;

  // Columns of the fields below are checked below; of one that comes twice only the last is, so that one is not known.
  bool columns_fit = run_columns_ != nullptr;
  uint32_t seen = 0;

  WireReader reader(event->body_wire);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field > 12) {
      if (columns_fit) columns_fit = run_columns_->Passes(reader);
      continue;
    }
    columns_fit = columns_fit && (seen >> field & 1) == 0;
    seen |= 1u << field;
    if (reader.type() != kRunTypes[field]) return RejectType(rejection, kRunNames[field]);
    switch (field) {
      case 1:
        run.run_id = reader.bytes();
        break;
      case 2:
        run.job_name = reader.bytes();
        break;
      case 3:
        kind = reader.number();
        break;
      case 4:
        status = reader.number();
        break;
      case 5:
        run.source_status = reader.bytes();
        break;
      case 6:
        run.phase = reader.bytes();
        break;
      case 7:
        run.workflow = reader.bytes();
        break;
      case 8:  // a number that is no date must not be cut to one that is
        run.data_date = static_cast<int32_t>(std::clamp<int64_t>(reader.int64(), kMinDate - 1, kMaxDate + 1));
        break;
      case 9:
        run.started_at_us = reader.int64();
        break;
      case 10:
        run.duration_seconds = reader.float64();
        break;
      case 11:
        run.heartbeat = reader.boolean();
        break;
      case 12:
        run.attempt = static_cast<int32_t>(reader.int64());
        break;
    }
  }
  if (!reader.ok()) return RejectWire(rejection, "RunEvent", reader.error());
  event->columns_fit = columns_fit;

  const CoreColumns& core = Core();
  if (!RequireId(core.job_name, run.job_name, rejection) || !RequireId(core.run_id, run.run_id, rejection))
    return false;
  if (run.attempt < 0)
    return Reject(rejection, Category::kSemantic, absl::StrCat("attempt ", run.attempt, " is below 0"));
  CheckOptionalText(event, core.source_status, &run.source_status);
  if (!ResolveStatus(status, &run, rejection)) return false;
  if (kind > static_cast<uint64_t>(Kind::kPrediction)) {
    RefuseColumn(event, "kind", "is not known to this version");
  } else if (kind != 0) {
    run.kind = static_cast<Kind>(kind);
  }
  CheckOptionalText(event, core.phase, &run.phase);
  CheckOptionalText(event, core.workflow, &run.workflow);
  CheckOptional<int32_t>(event, "data_date", &run.data_date, [](int32_t days) { return CheckDate(days); });
  CheckOptional<int64_t>(event, "started_at", &run.started_at_us, &CheckTimestamp);
  CheckOptional<double>(event, "duration_seconds", &run.duration_seconds, &CheckFloat64);

  run.job_hash = Hash64(run.job_name);
  run.id = HashRun(run.job_hash, run.run_id, run.attempt);

  run.closed_by_runledger = run.source_status == kClosedByRunledger;
  if (run.closed_by_runledger &&
      event->id != OwnEventId(kClosedByRunledger, RunSubject(run.job_name, run.run_id, run.attempt), event->time_us)) {
    return Reject(rejection, Category::kSemantic,
                  absl::StrCat("source_status '", std::string(kClosedByRunledger),
                               "' is runledger's own word; its event id says that it came from elsewhere"));
  }
  return true;
}

bool EventDecoder::DecodeOther(Event* event, Rejection* rejection) const {
  OtherFields& other = event->other;
  other = {};
  // Field numbers of the keys, by body: name of the text fields and of the time.
  struct Keys {
    uint32_t workflow, job_name, action, subject, verdict, due;
  };
  static constexpr Keys kDecision{2, 0, 3, 0, 0, 0}, kExpected{1, 2, 0, 0, 0, 4}, kCleanup{0, 0, 0, 0, 0, 0},
      kVerdict{4, 5, 0, 1, 3, 2};
  const Keys& keys = event->body == Body::kDecision   ? kDecision
                     : event->body == Body::kExpected ? kExpected
                     : event->body == Body::kVerdict  ? kVerdict
                                                      : kCleanup;
  WireReader reader(event->body_wire);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field == keys.due) {
      if (reader.type() != WireType::kVarint) return RejectType(rejection, "expected_run_time_us or verdict_due_us");
      other.due_us = reader.int64();
      continue;
    }
    std::string_view* const text = field == keys.workflow   ? &other.workflow
                                   : field == keys.job_name ? &other.job_name
                                   : field == keys.action   ? &other.action
                                   : field == keys.subject  ? &other.verdict_subject
                                   : field == keys.verdict  ? &other.verdict
                                                            : nullptr;
    if (text == nullptr) continue;
    if (reader.type() != WireType::kBytes) return RejectType(rejection, "of a name");
    *text = reader.bytes();
  }
  if (!reader.ok()) return RejectWire(rejection, BodyName(event->body), reader.error());

  const CoreColumns& core = Core();
  if (!CheckId(core.workflow, other.workflow, rejection) || !CheckId(core.job_name, other.job_name, rejection))
    return false;
  if (other.due_us && CheckTimestamp(*other.due_us) != nullptr) {
    return Reject(rejection, Category::kSemantic, "the due time is outside the years 1 to 9999");
  }
  switch (event->body) {
    case Body::kDecision:
      if (other.workflow.empty()) return Reject(rejection, Category::kSemantic, "a decision without workflow");
      if (other.action != "RUN" && other.action != "SKIP" && other.action != "ABORT") {
        return Reject(
            rejection, Category::kSemantic,
            absl::StrCat("action '", Utf8OrReplacement(Utf8Prefix(other.action, 64)), "' is not RUN, SKIP or ABORT"));
      }
      return true;
    case Body::kExpected:
      if (other.workflow.empty() && other.job_name.empty()) {
        return Reject(rejection, Category::kSemantic, "an expected run without workflow and without job_name");
      }
      if (!other.due_us) return Reject(rejection, Category::kSemantic, "an expected run without expected_run_time_us");
      return true;
    case Body::kVerdict:
      if (!RequireId(core.verdict_subject, other.verdict_subject, rejection)) return false;
      if (!other.due_us) return Reject(rejection, Category::kSemantic, "a verdict without verdict_due_us");
      if (event->id != OwnEventId("verdict", other.verdict_subject, *other.due_us)) {
        return Reject(rejection, Category::kSemantic,
                      "a verdict is runledger's own event; its event id says that it came from elsewhere");
      }
      return true;
    case Body::kRun:
    case Body::kCleanup:
      return true;
  }
  return true;
}

}  // namespace runledger::codecs
