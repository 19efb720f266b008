#include "tools/generate/packing.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <zstd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "tools/generate/plan.h"

namespace runledger::tools {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::io::CodedOutputStream;

constexpr int kRunField = 10;

void PutVarint(uint64_t value, std::string* out) {
  std::array<uint8_t, 10> raw;
  const uint8_t* const end = CodedOutputStream::WriteVarint64ToArray(value, raw.data());
  out->append(reinterpret_cast<const char*>(raw.data()), static_cast<size_t>(end - raw.data()));
}

bool IsTime(const FieldDescriptor& field) { return field.name().ends_with("_us"); }
bool IsDate(const FieldDescriptor& field) { return field.name().ends_with("_date"); }

Json TimeJson(int64_t time_us, const JsonStyle& style) {
  if (style.times_as_text) return TimeText(time_us);
  if (style.long_numbers_as_text) return std::to_string(time_us);
  return time_us;
}

// A text of a column that holds JSON stands as it is if the producer nests it.
Json TextJson(const std::string& text, const JsonStyle& style) {
  if (!style.nested_json || text.empty() || (text[0] != '{' && text[0] != '[')) return text;
  Json nested = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return nested.is_discarded() ? Json(text) : nested;
}

Json ValueJson(const Message& body, const FieldDescriptor& field, const JsonStyle& style) {
  const Reflection& reflection = *body.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return TextJson(reflection.GetString(body, &field), style);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(body, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(body, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      if (IsDate(field)) return DateText(reflection.GetInt32(body, &field));
      return reflection.GetInt32(body, &field);
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t number = reflection.GetInt64(body, &field);
      if (IsTime(field)) return TimeJson(number, style);
      return style.long_numbers_as_text ? Json(std::to_string(number)) : Json(number);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(body, &field)->name();
    default:
      return nullptr;
  }
}

}  // namespace

std::string BytesField(int number, std::string_view bytes) {
  std::string out;
  PutVarint(static_cast<uint64_t>(number) << 3 | 2, &out);
  PutVarint(bytes.size(), &out);
  out += bytes;
  return out;
}

std::string VarintField(int number, uint64_t value) {
  std::string out;
  PutVarint(static_cast<uint64_t>(number) << 3, &out);
  PutVarint(value, &out);
  return out;
}

std::string Fixed64Field(int number, uint64_t value) {
  std::string out;
  PutVarint(static_cast<uint64_t>(number) << 3 | 1, &out);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string WireOf(const v1::Event& event, std::string_view more_body) {
  if (more_body.empty()) return event.SerializeAsString();
  v1::Event envelope = event;
  envelope.clear_body();
  return envelope.SerializeAsString() + BytesField(kRunField, event.run().SerializeAsString() + std::string(more_body));
}

std::string Compress(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3);
  if (ZSTD_isError(size)) std::abort();  // cannot happen: the bound was asked for
  out.resize(size);
  return out;
}

JsonStyle DrawJsonStyle(Random* random) {
  return {random->Chance(0.3), random->Chance(0.4), random->Chance(0.2), random->Chance(0.7)};
}

std::string TimeText(int64_t time_us) {
  constexpr int64_t kDayUs = 86'400'000'000;
  const int64_t day = time_us >= 0 ? time_us / kDayUs : (time_us - kDayUs + 1) / kDayUs;
  const int64_t rest = time_us - day * kDayUs;
  const auto second = static_cast<int>(rest / 1'000'000);
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "T%02d:%02d:%02d.%06dZ", second / 3600, second / 60 % 60, second % 60,
                static_cast<int>(rest % 1'000'000));
  return DateText(static_cast<int32_t>(day)) + text.data();
}

Json JsonOf(const v1::Event& event, const JsonStyle& style) {
  Json json;
  if (!event.event_id().empty()) json[style.camel_case ? "eventId" : "event_id"] = event.event_id();
  const char* const time = style.times_as_text ? (style.camel_case ? "eventTime" : "event_time")
                                               : (style.camel_case ? "eventTimeUs" : "event_time_us");
  if (event.event_time_us() != 0) json[time] = TimeJson(event.event_time_us(), style);
  if (event.sequence() != 0) json["sequence"] = event.sequence();
  if (event.backfill()) json["backfill"] = true;
  static constexpr const char* kBodies[] = {"run", "decision", "expected", "cleanup", "verdict"};
  if (event.body_case() == v1::Event::BODY_NOT_SET) return json;
  const FieldDescriptor& of_body = *v1::Event::descriptor()->FindFieldByNumber(event.body_case());
  const Message& body = event.GetReflection()->GetMessage(event, &of_body);
  std::vector<const FieldDescriptor*> fields;
  body.GetReflection()->ListFields(body, &fields);
  Json& to = json[kBodies[event.body_case() - kRunField]] = Json::object();
  for (const FieldDescriptor* field : fields) {
    to[style.camel_case ? field->json_name() : field->name()] = ValueJson(body, *field, style);
  }
  // A producer of another vocabulary says its word as the status.
  if (event.has_run() && event.run().has_source_status() && !event.run().has_status()) {
    to.erase(style.camel_case ? "sourceStatus" : "source_status");
    to["status"] = event.run().source_status();
  }
  return json;
}

std::string SpoiledWire(v1::Event event, Random* random, std::string* what) {
  v1::RunEvent& run = *event.mutable_run();
  static constexpr const char* kWhat[] = {"broken_json", "date_out_of_range", "not_a_number",   "not_utf8",
                                          "too_long",    "time_out_of_range", "text_for_number"};
  const auto kind = static_cast<size_t>(random->Between(0, 6));
  *what = kWhat[kind];
  switch (kind) {
    case 0:
      run.set_warnings("{\"slow\": tru");
      break;
    case 1:
      run.set_data_date(4'000'000);
      break;
    case 2:
      run.set_duration_seconds(std::numeric_limits<double>::quiet_NaN());
      break;
    case 3:
      return WireOf(event, BytesField(v1::RunEvent::kTriggeredByFieldNumber, "caf\xe9"));
    case 4:
      run.set_config_hash(LongText(random, 600));
      break;
    case 5:
      run.set_completed_at_us(INT64_MAX);
      break;
    default:
      return WireOf(event, BytesField(v1::RunEvent::kRecordsUpdatedFieldNumber, "many"));
  }
  return WireOf(event);
}

Json SpoiledJson(const v1::Event& event, const JsonStyle& style, Random* random, std::string* what) {
  Json json = JsonOf(event, style);
  Json& run = json["run"];
  static constexpr const char* kWhat[] = {"date_no_date",      "date_out_of_range", "not_a_number",   "too_long",
                                          "time_without_zone", "object_for_text",   "word_for_number"};
  const auto kind = static_cast<size_t>(random->Between(0, 6));
  *what = kWhat[kind];
  run.erase(style.camel_case ? "dataDate" : "data_date");
  switch (kind) {
    case 0:
      run["data_date"] = "2026-13-45";
      break;
    case 1:
      run["data_date"] = 4'000'000;
      break;
    case 2:
      run[style.camel_case ? "durationSeconds" : "duration_seconds"] = "NaN";
      break;
    case 3:
      run["config_hash"] = LongText(random, 600);
      break;
    case 4:
      run["completed_at"] = "2026-01-12T11:30:08";
      break;
    case 5:
      run["triggered_by"] = Json{{"name", "cloud-scheduler"}};
      break;
    default:
      run["records_updated"] = "many";
  }
  return json;
}

}  // namespace runledger::tools
