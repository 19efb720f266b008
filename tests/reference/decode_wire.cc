#include <cmath>
#include <cstring>
#include <set>

#include "reference/columns.h"
#include "reference/decode.h"
#include "reference/rules.h"
#include "reference/wire.h"

namespace runledger::reference {
namespace {

int TypeOf(const FieldRule& rule) {
  switch (rule.holds) {
    case Holds::kText:
    case Holds::kJson:
    case Holds::kErrors:
      return 2;
    case Holds::kNumber:
      return 1;
    default:
      return 0;
  }
}

double NumberOf(uint64_t bits) {
  double number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

// True if the column can hold it. Fields that the fold needs are judged with the event.
bool ColumnTakes(const FieldRule& rule, const WireField& field) {
  if (field.type != TypeOf(rule)) return false;
  switch (rule.holds) {
    case Holds::kText:
    case Holds::kErrors:
      return field.bytes.size() <= rule.max_bytes && GoodUtf8(field.bytes);
    case Holds::kJson:
      return field.bytes.size() <= rule.max_bytes && GoodUtf8(field.bytes) && GoodJson(field.bytes);
    case Holds::kNumber:
      return std::isfinite(NumberOf(field.value));
    case Holds::kTime:
      return GoodTime(static_cast<int64_t>(field.value));
    case Holds::kDate:
      return GoodDate(static_cast<int64_t>(field.value));
    default:
      return true;
  }
}

// Columns whose value decides how an event is folded or what it is about: of another wire type, the event is
// unreadable.
bool IsKey(int body, const std::string& column) {
  static const std::set<std::string> kRun = {"run_id",    "job_name", "kind",      "status",     "source_status",
                                             "phase",     "workflow", "data_date", "started_at", "duration_seconds",
                                             "heartbeat", "attempt"};
  static const std::set<std::string> kOther = {"workflow", "job_name", "action", "verdict_subject", "verdict"};
  if (body == 10) return kRun.count(column) > 0;
  if (column == "expected_run_time" || column == "verdict_due") return true;
  return body != 13 && kOther.count(column) > 0;
}

void Take(const FieldRule& rule, const WireField& field, Fields* to) {
  const std::string text(field.bytes);
  const std::string& name = rule.column;
  const auto number = static_cast<int64_t>(field.value);
  if (name == "run_id")
    to->run_id = text;
  else if (name == "job_name")
    to->job = text;
  else if (name == "kind")
    to->kind = field.value;
  else if (name == "status")
    to->status = field.value;
  else if (name == "source_status")
    to->source_status = text;
  else if (name == "phase")
    to->phase = text;
  else if (name == "workflow")
    to->workflow = text;
  else if (name == "data_date")
    to->date = static_cast<int32_t>(number);
  else if (name == "started_at")
    to->started_us = number;
  else if (name == "duration_seconds")
    to->duration_s = NumberOf(field.value);
  else if (name == "heartbeat")
    to->heartbeat = field.value != 0;
  else if (name == "attempt")
    to->attempt = static_cast<int32_t>(number);
  else if (name == "action")
    to->action = text;
  else if (name == "verdict_subject")
    to->subject = text;
  else if (name == "expected_run_time" || name == "verdict_due")
    to->due_us = number;
}

bool ReadBody(std::string_view bytes, Fields* to, Refusal* refusal) {
  std::vector<WireField> fields;
  if (!ReadFields(bytes, &fields)) {
    *refusal = {"decode", "the body is no protobuf message"};
    return false;
  }
  const std::map<int, FieldRule>& rules = RulesOf(to->body);
  std::string refused;
  for (const WireField& field : fields) {
    const auto found = rules.find(field.number);
    if (found == rules.end()) continue;
    const FieldRule& rule = found->second;
    if (IsKey(to->body, rule.column)) {
      if (field.type != TypeOf(rule)) {
        *refusal = {"decode", rule.column + " has another wire type"};
        return false;
      }
      Take(rule, field, to);
    }
    if (refused.empty() && rule.holds != Holds::kKind && rule.holds != Holds::kStatus && !ColumnTakes(rule, field)) {
      refused = rule.column;
    }
  }
  to->refused = refused;
  return true;
}

}  // namespace

std::optional<Event> DecodeEvent(std::string_view wire, int64_t record_time_us, const Limits& limits,
                                 Refusal* refusal) {
  std::vector<WireField> all;
  Fields fields;
  std::string_view body;
  const bool whole = ReadFields(wire, &all);
  for (const WireField& field : all) {
    const bool of_body = field.number >= 10 && field.number <= 14;
    if (!of_body && field.number > 4) continue;
    if (field.type != (of_body || field.number == 1 ? 2 : 0)) {
      *refusal = {"decode", "a field of Event has another wire type"};
      return std::nullopt;
    }
    const auto number = static_cast<int64_t>(field.value);
    if (field.number == 1) fields.id = std::string(field.bytes);
    if (field.number == 2) fields.time_us = number;
    if (field.number == 3) fields.sequence = number;
    if (field.number == 4) fields.backfill = number != 0;
    if (!of_body) continue;
    if (fields.body != 0) {
      *refusal = {"schema", "two bodies"};
      return std::nullopt;
    }
    fields.body = field.number;
    body = field.bytes;
  }
  if (!whole) {
    *refusal = {"decode", "no protobuf message"};
    return std::nullopt;
  }
  Event event;
  if (!JudgeEnvelope(fields, wire, record_time_us, limits, &event, refusal)) return std::nullopt;
  if (!ReadBody(body, &fields, refusal) || !JudgeBody(std::move(fields), &event, refusal)) return std::nullopt;
  return event;
}

}  // namespace runledger::reference
