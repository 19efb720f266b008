#include "aggregators/orchestration/event_details.h"

#include <cmath>

#include "aggregators/orchestration/day_plan.h"
#include "codecs/json.h"
#include "codecs/limits.h"
#include "codecs/utf8.h"
#include "codecs/wire.h"

namespace runledger::aggregators {
namespace {

using codecs::WireReader;
using codecs::WireType;
using codecs::WireWriter;

std::string Text(const WireReader& reader) {
  if (reader.type() != WireType::kBytes) return "";
  const std::string_view text = codecs::Utf8Prefix(reader.bytes(), kMostText);
  return codecs::IsUtf8(text) ? std::string(text) : codecs::Utf8OrReplacement(text);
}

std::optional<int64_t> Timestamp(const WireReader& reader) {
  if (reader.type() != WireType::kVarint) return std::nullopt;
  const int64_t time_us = reader.int64();
  if (time_us < codecs::kMinTimestampUs || time_us > codecs::kMaxTimestampUs) return std::nullopt;
  return time_us;
}

void Number(const WireReader& reader, int64_t* value) {
  if (reader.type() == WireType::kVarint) *value = reader.int64();
}

}  // namespace

std::string_view ActionName(Action action) {
  switch (action) {
    case Action::kRun:
      return "RUN";
    case Action::kSkip:
      return "SKIP";
    case Action::kAbort:
      return "ABORT";
  }
  return "";
}

std::optional<Action> ActionFromName(std::string_view name) {
  for (const Action action : kAllActions) {
    if (ActionName(action) == name) return action;
  }
  return std::nullopt;
}

// Field numbers below are those of event.proto.

DecisionDetails ReadDecision(const codecs::Event& event) {
  DecisionDetails details;
  details.decision_time_us = event.time_us;
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    switch (reader.field()) {
      case 1:
        details.decision_id = Text(reader);
        break;
      case 4:
        details.decision_time_us = Timestamp(reader).value_or(event.time_us);
        break;
      case 5:
        details.reason = Text(reader);
        break;
      case 9:
        details.next_check_time_us = Timestamp(reader);
        break;
      case 10:
        details.priority = Text(reader);
        break;
      case 11:
        details.alert_level = Text(reader);
        break;
      default:
        break;
    }
  }
  if (details.decision_id.empty()) details.decision_id = event.id;
  return details;
}

ExpectedDetails ReadExpected(const codecs::Event& event) {
  ExpectedDetails details;
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    switch (reader.field()) {
      case 3:
        if (reader.type() == WireType::kVarint && reader.int64() >= codecs::kMinDate &&
            reader.int64() <= codecs::kMaxDate)
          details.expected_date = static_cast<int32_t>(reader.int64());
        break;
      case 5:
        details.reason = Text(reader);
        break;
      case 6:
        details.locked_at_us = Timestamp(reader);
        break;
      case 8:
        details.priority = Text(reader);
        break;
      case 9:
        details.schedule_version = Text(reader);
        break;
      default:
        break;
    }
  }
  return details;
}

bool IsMade(const codecs::Event& event) {
  const codecs::OtherFields& row = event.other;
  return event.body == codecs::Body::kExpected && row.job_name.empty() && row.due_us &&
         event.id == MadeEventId(row.workflow, *row.due_us);
}

VerdictDetails ReadVerdict(const codecs::Event& event) {
  VerdictDetails details;
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    switch (reader.field()) {
      case 6:
        details.matched_run_id = Text(reader);
        break;
      case 7:
        if (reader.type() == WireType::kFixed64 && std::abs(reader.float64()) < 1e11)
          details.delay_seconds = reader.float64();
        break;
      case 8:
        details.explained_by = Text(reader);
        break;
      default:
        break;
    }
  }
  return details;
}

CleanupDetails ReadCleanup(const codecs::Event& event) {
  CleanupDetails details;
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    switch (reader.field()) {
      case 1:
        details.cleanup_id = Text(reader);
        break;
      case 2:
        Number(reader, &details.files_checked);
        break;
      case 3:
        Number(reader, &details.missing_files_found);
        break;
      case 4:
        Number(reader, &details.republished_count);
        break;
      case 5:
        if (reader.type() == WireType::kBytes) details.missing_files = reader.bytes();
        break;
      default:
        break;
    }
  }
  return details;
}

std::string_view UrgencyName(Urgency urgency) {
  switch (urgency) {
    case Urgency::kCritical:
      return "critical";
    case Urgency::kWarning:
      return "warning";
    case Urgency::kRecent:
      return "recent";
  }
  return "";
}

Urgency UrgencyOf(double age_minutes) {
  return age_minutes > 240 ? Urgency::kCritical : age_minutes > 120 ? Urgency::kWarning : Urgency::kRecent;
}

std::string EncodeVerdict(const FinalVerdict& verdict) {
  std::string body;
  WireWriter fields(&body);
  fields.Bytes(1, verdict.subject);
  fields.Int64(2, verdict.due_us);
  fields.Bytes(3, VerdictName(verdict.verdict));
  if (!verdict.workflow.empty()) fields.Bytes(4, verdict.workflow);
  if (!verdict.job_name.empty()) fields.Bytes(5, verdict.job_name);
  if (!verdict.matched_run_id.empty()) fields.Bytes(6, verdict.matched_run_id);
  if (verdict.difference_us) fields.Float64(7, static_cast<double>(*verdict.difference_us) / 1e6);
  if (!verdict.explained_by.empty()) {
    fields.Bytes(8, verdict.explained_by);
    std::string attributes = "{\"action\":";
    codecs::AppendJsonString(verdict.action, &attributes);
    attributes += ",\"reason\":";
    codecs::AppendJsonString(verdict.reason, &attributes);
    fields.Bytes(9, attributes + "}");
  }
  std::string event;
  WireWriter head(&event);
  head.Bytes(1, codecs::OwnEventId("verdict", verdict.subject, verdict.due_us));
  head.Int64(2, verdict.stands_at_us);
  head.Bytes(static_cast<uint32_t>(codecs::Body::kVerdict), body);
  return event;
}

}  // namespace runledger::aggregators
