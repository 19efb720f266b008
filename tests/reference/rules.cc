#include "reference/rules.h"

#include <xxhash.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "reference/columns.h"

namespace runledger::reference {
namespace {

constexpr const char* kOwnWord = "stale_running_cleanup";

bool Say(Refusal* refusal, const char* category, std::string why) {
  *refusal = {category, std::move(why)};
  return false;
}

// An id that is told must be one.
bool GoodId(const std::string& name, const std::string& value, Refusal* refusal) {
  if (value.size() > kNameBytes) return Say(refusal, "oversize", name + " is too long");
  if (!GoodUtf8(value)) return Say(refusal, "decode", name + " is not UTF-8");
  if (value.find('\0') != std::string::npos) return Say(refusal, "semantic", name + " holds a NUL");
  return true;
}

bool NeedId(const std::string& name, const std::string& value, Refusal* refusal) {
  return value.empty() ? Say(refusal, "semantic", name + " is missing") : GoodId(name, value, refusal);
}

void LeaveOut(Fields* fields, const char* column, std::string* value, size_t max_bytes) {
  if (value->size() <= max_bytes && GoodUtf8(*value)) return;
  fields->refused = column;
  value->clear();
}

// A run that gives no status of ours is told by its own word, then by its heartbeat.
bool JudgeStatus(const Fields& fields, Event* event, Refusal* refusal) {
  if (fields.status >= 1 && fields.status <= 7) {
    event->status = static_cast<Status>(fields.status);
    return true;
  }
  if (!fields.source_status.empty()) {
    const std::optional<Status> status = StatusOfWord(fields.source_status);
    if (!status) return Say(refusal, "semantic", "unknown status word");
    event->status = *status;
    return true;
  }
  if (fields.status != 0) return Say(refusal, "schema", "unknown status number");
  if (!fields.heartbeat) return Say(refusal, "semantic", "no status");
  event->status = Status::kRunning;
  return true;
}

bool JudgeRun(Fields* fields, Event* event, Refusal* refusal) {
  if (!NeedId("job_name", fields->job, refusal) || !NeedId("run_id", fields->run_id, refusal)) return false;
  if (fields->attempt < 0) return Say(refusal, "semantic", "negative attempt");
  LeaveOut(fields, "source_status", &fields->source_status, 128);
  if (!JudgeStatus(*fields, event, refusal)) return false;
  static constexpr const char* kKinds[] = {"processor", "processor", "scraper", "prediction"};
  if (fields->kind > 3) {
    fields->refused = "kind";
    fields->kind = 0;
  }
  event->kind = kKinds[fields->kind];
  LeaveOut(fields, "phase", &fields->phase, kNameBytes);
  LeaveOut(fields, "workflow", &fields->workflow, kNameBytes);
  if (fields->date && !GoodDate(*fields->date)) {
    fields->refused = "data_date";
    fields->date.reset();
  }
  if (fields->started_us && !GoodTime(*fields->started_us)) {
    fields->refused = "started_at";
    fields->started_us.reset();
  }
  if (fields->duration_s && !std::isfinite(*fields->duration_s)) {
    fields->refused = "duration_seconds";
    fields->duration_s.reset();
  }
  event->run_id = fields->run_id;
  event->attempt = static_cast<int32_t>(fields->attempt);
  event->heartbeat = fields->heartbeat;
  event->phase = fields->phase;
  if (fields->date) event->date = static_cast<int32_t>(*fields->date);
  event->started_us = fields->started_us;
  event->duration_s = fields->duration_s;
  event->own_close = fields->source_status == kOwnWord;
  if (!event->own_close) return true;
  const std::string subject = event->job + '\0' + event->run_id + '\0' + std::to_string(event->attempt);
  return event->id == OwnId(kOwnWord, subject, event->time_us) || Say(refusal, "semantic", "not runledger's own event");
}

bool JudgeOther(const Fields& fields, Event* event, Refusal* refusal) {
  if (!GoodId("workflow", fields.workflow, refusal) || !GoodId("job_name", fields.job, refusal)) return false;
  if (fields.due_us && !GoodTime(*fields.due_us)) return Say(refusal, "semantic", "due time out of range");
  if (event->body == "decision") {
    if (fields.workflow.empty()) return Say(refusal, "semantic", "no workflow");
    const bool known = fields.action == "RUN" || fields.action == "SKIP" || fields.action == "ABORT";
    return known || Say(refusal, "semantic", "unknown action");
  }
  if (event->body == "expected") {
    if (fields.workflow.empty() && fields.job.empty()) return Say(refusal, "semantic", "nothing is expected");
    return fields.due_us.has_value() || Say(refusal, "semantic", "no time");
  }
  if (event->body == "verdict") {
    if (!NeedId("verdict_subject", fields.subject, refusal)) return false;
    if (!fields.due_us) return Say(refusal, "semantic", "no due time");
    return event->id == OwnId("verdict", fields.subject, *fields.due_us) ||
           Say(refusal, "semantic", "not runledger's own event");
  }
  return true;
}

}  // namespace

std::string HexHash(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  std::array<char, 33> text;
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

std::string OwnId(const std::string& kind, const std::string& subject, int64_t due_us) {
  return "runledger-" + HexHash(kind + '\0' + subject + '\0' + std::to_string(due_us));
}

bool JudgeEnvelope(const Fields& fields, std::string_view bytes, int64_t record_time_us, const Limits& limits,
                   Event* event, Refusal* refusal) {
  static constexpr const char* kBodies[] = {"run", "decision", "expected", "cleanup", "verdict"};
  if (fields.body == 0) return Say(refusal, "schema", "no body");
  event->body = kBodies[fields.body - 10];
  event->kind = event->body;
  event->id = fields.id;
  event->time_us = fields.time_us;
  event->sequence = fields.sequence;
  event->backfill = fields.backfill;
  event->bytes = std::string(bytes);
  if (event->time_us == 0) return Say(refusal, "semantic", "no event time");
  if (!GoodTime(event->time_us)) return Say(refusal, "semantic", "event time out of range");
  if (record_time_us >= 0 && event->time_us - record_time_us > limits.future_us) {
    return Say(refusal, "semantic", "event time in the future");
  }
  if (!event->id.empty()) return GoodId("event_id", event->id, refusal);
  event->id = HexHash(bytes);
  return true;
}

bool JudgeBody(Fields fields, Event* event, Refusal* refusal) {
  event->job = fields.job;
  if (!(fields.body == 10 ? JudgeRun(&fields, event, refusal) : JudgeOther(fields, event, refusal))) return false;
  event->workflow = fields.workflow;
  event->refused = fields.refused;
  return true;
}

}  // namespace runledger::reference
