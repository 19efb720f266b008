#include "codecs/row.h"

#include "codecs/bindings.h"
#include "codecs/civil_time.h"
#include "codecs/column_check.h"
#include "codecs/quick_check.h"
#include "codecs/utf8.h"
#include "codecs/wire.h"

namespace runledger::codecs {
namespace {

// Columns that the encoder fills itself.
struct Columns {
  const size_t ingest_date = EventColumnIndex("ingest_date"), log_time = EventColumnIndex("log_time");
  const size_t topic = EventColumnIndex("topic"), partition = EventColumnIndex("partition");
  const size_t offset = EventColumnIndex("offset"), batch_index = EventColumnIndex("batch_index");
  const size_t log_epoch = EventColumnIndex("log_epoch"), ingested_at = EventColumnIndex("ingested_at");
  const size_t event_id = EventColumnIndex("event_id"), event_time = EventColumnIndex("event_time");
  const size_t sequence = EventColumnIndex("sequence"), backfill = EventColumnIndex("backfill");
  const size_t refused = EventColumnIndex("refused"), kind = EventColumnIndex("kind");
  const size_t attempt = EventColumnIndex("attempt"), status = EventColumnIndex("status");
  const size_t completed_at = EventColumnIndex("completed_at"), errors = EventColumnIndex("errors");
  const size_t error_type = EventColumnIndex("error_type"), error_message = EventColumnIndex("error_message");
  const size_t opts = EventColumnIndex("opts");
};

const Columns& Known() {
  static const Columns kColumns;
  return kColumns;
}

// Why the column could not hold the field the reader stands on; nullptr if it can.
const char* CheckField(const FieldBinding& field, const Column& column, const WireReader& reader) {
  if (reader.type() != field.wire_type()) return "has another wire type than event.proto says";
  switch (column.type) {
    case ColumnType::kString:
      return field.value == FieldBinding::Value::kText ? CheckText(column, reader.bytes())
                                                       : nullptr;  // enums: by the decoder
    case ColumnType::kJson:
      if (column.name != "errors") return CheckText(column, reader.bytes());
      // Plain text is wrapped, so only its size and letters count.
      return CheckText(Column{.name = column.name,
                              .type = ColumnType::kString,
                              .required = false,
                              .role = Role::kPlain,
                              .max_bytes = column.max_bytes,
                              .description = {},
                              .source = {}},
                       reader.bytes());
    case ColumnType::kFloat64:
      return CheckFloat64(reader.float64());
    case ColumnType::kTimestamp:
      return CheckTimestamp(reader.int64());
    case ColumnType::kDate:
      return CheckDate(reader.int64());
    case ColumnType::kInt64:
    case ColumnType::kBool:
      return nullptr;
  }
  return nullptr;
}

void SetInteger(Value* value, int64_t integer) {
  value->null = false;
  value->integer = integer;
}

void SetText(Value* value, std::string_view text) {
  value->null = false;
  value->text = text;
}

}  // namespace

std::string_view RowKind(const Event& event) {
  return event.body == Body::kRun ? KindName(event.run.kind) : BodyName(event.body);
}

std::string RefusalText(const ColumnRefusal& refusal) {
  std::string text(refusal.column);
  text += ": ";
  text += refusal.reason;
  return text;
}

ColumnRefusal RowEncoder::Check(const Event& event) const {
  if (event.refused || event.columns_fit) return event.refused;
  const QuickChecks& quick = QuickChecks::Of(event.body);
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    if (quick.Passes(reader)) continue;
    const FieldBinding* field = BindingsOf(event.body).Find(reader.field());
    const Column& column = EventColumns()[field->column];
    if (const char* reason = CheckField(*field, column, reader)) return {column.name, reason};
  }
  return {};
}

void RowEncoder::Encode(const RowPlace& place, const Event& event, std::string_view refused, Row* row) const {
  const Columns& known = Known();
  const bool core_only = !refused.empty();
  std::vector<Value>& values = row->values_;
  values.assign(values.size(), Value{});
  row->rewritten_.clear();
  const auto keep = [row](std::string text) -> std::string_view {
    return row->rewritten_.emplace_back(std::move(text));
  };

  const BodyBindings& bindings = BindingsOf(event.body);
  WireReader reader(event.body_wire);
  while (reader.Next()) {
    const FieldBinding* field = bindings.Find(reader.field());
    if (field == nullptr || field->value == FieldBinding::Value::kKind || field->value == FieldBinding::Value::kStatus)
      continue;
    const Column& column = EventColumns()[field->column];
    // Of a refused row the core stays, but for what is bad in it.
    if (core_only && (column.role != Role::kCore || CheckField(*field, column, reader) != nullptr)) continue;
    Value& value = values[field->column];
    value.null = false;
    if (field->value == FieldBinding::Value::kText) {
      value.text = reader.bytes();
    } else if (field->value == FieldBinding::Value::kFloat64) {
      value.number = reader.float64();
    } else {
      value.integer = field->value == FieldBinding::Value::kBool ? (reader.boolean() ? 1 : 0) : reader.int64();
    }
  }

  SetInteger(&values[known.ingest_date], DayOf(place.ingested_at_us));
  SetInteger(&values[known.log_time], place.log_time_us);
  SetText(&values[known.topic], place.topic);
  SetInteger(&values[known.partition], place.partition);
  SetInteger(&values[known.offset], place.offset);
  SetInteger(&values[known.batch_index], place.batch_index);
  SetInteger(&values[known.log_epoch], place.log_epoch);
  SetInteger(&values[known.ingested_at], place.ingested_at_us);
  SetText(&values[known.event_id], event.id);
  SetInteger(&values[known.event_time], event.time_us);
  if (event.sequence != 0) SetInteger(&values[known.sequence], event.sequence);
  SetInteger(&values[known.backfill], event.backfill ? 1 : 0);
  if (core_only) SetText(&values[known.refused], refused);
  SetText(&values[known.kind], RowKind(event));
  if (event.body == Body::kRun) {
    SetText(&values[known.status], StatusName(event.run.status));
    SetInteger(&values[known.attempt], event.run.attempt);
  }
  if (core_only) return;

  if (event.body == Body::kRun && IsTerminal(event.run.status) && values[known.completed_at].null) {
    SetInteger(&values[known.completed_at], event.time_us);
  }
  if (Value& opts = values[known.opts]; !opts.null && !secrets_.empty())
    opts.text = keep(RemoveSecrets(opts.text, secrets_));
  if (Value& errors = values[known.errors]; !errors.null) {
    errors.text = keep(WrapErrors(errors.text));
    if (errors.text.empty()) {
      errors = Value{};
    } else if (values[known.error_message].null) {
      FirstError first = FirstOfErrors(errors.text);
      if (!first.message.empty()) SetText(&values[known.error_message], keep(std::move(first.message)));
      if (!first.type.empty() && values[known.error_type].null)
        SetText(&values[known.error_type], keep(std::move(first.type)));
    }
  }
}

}  // namespace runledger::codecs
