#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "reference/columns.h"
#include "reference/decode.h"
#include "reference/rules.h"

namespace runledger::reference {
namespace {

using Json = nlohmann::json;

std::optional<int64_t> IntegerOf(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return number <= uint64_t{INT64_MAX} ? std::optional(static_cast<int64_t>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (std::trunc(number) != number || std::abs(number) >= 9e15) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  int64_t number = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && at == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::optional<double> NumberOf(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") return NAN;
  if (text == "Infinity") return INFINITY;
  if (text == "-Infinity") return -INFINITY;
  double number = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && at == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::optional<int64_t> TimeOf(const Json& value) {
  if (value.is_string()) {
    if (const auto time = TimeOfText(value.get<std::string>())) return time;
  }
  return IntegerOf(value);
}

std::optional<int64_t> DateOf(const Json& value) {
  if (value.is_string()) {
    if (const auto date = DateOfText(value.get<std::string>())) return date;
  }
  const auto days = IntegerOf(value);
  return days && *days >= INT32_MIN && *days <= INT32_MAX ? days : std::nullopt;
}

// A text as the column would get it: numbers by their digits.
std::string TextOf(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

class JsonBody {
 public:
  JsonBody(Fields* to, Refusal* refusal) : to_(to), refusal_(refusal) {}

  bool Read(const Json& object) {
    for (const auto& [key, value] : object.items()) {
      if (value.is_null()) continue;
      const int number = FieldNumberOf(to_->body, key);
      if (number == 0) {
        extra_ = true;
        extra_bytes_ += key.size() + value.dump().size() + 4;
      } else if (!Field(RulesOf(to_->body).at(number), value)) {
        return false;
      }
    }
    if (!unknown_status_.empty()) to_->source_status = unknown_status_;
    if (extra_ && has_attributes_ && !attributes_are_object_) Refuse("attributes");
    if (extra_bytes_ + attributes_bytes_ > 1'048'576) Refuse("attributes");
    return true;
  }

 private:
  void Refuse(const std::string& column) {
    if (to_->refused.empty()) to_->refused = column;
  }

  bool Field(const FieldRule& rule, const Json& value) {
    if (rule.holds == Holds::kJson || rule.holds == Holds::kErrors) {
      JsonColumn(rule, value);
      return true;
    }
    if (value.is_structured()) {
      Refuse(rule.column);
      return true;
    }
    switch (rule.holds) {
      case Holds::kText:
        Text(rule, value);
        break;
      case Holds::kNumber:
        Number(rule, value);
        break;
      case Holds::kFlag:
        if (!value.is_boolean())
          Refuse(rule.column);
        else if (rule.column == "heartbeat")
          to_->heartbeat = value.get<bool>();
        break;
      case Holds::kKind:
        Kind(value);
        break;
      case Holds::kStatus:
        return Status(value);
      default:
        Integer(rule, value);
    }
    return true;
  }

  void JsonColumn(const FieldRule& rule, const Json& value) {
    const std::string text =
        value.is_string() && GoodJson(value.get<std::string>()) ? value.get<std::string>() : value.dump();
    if (text.size() > rule.max_bytes) Refuse(rule.column);
    if (rule.column != "attributes") return;
    has_attributes_ = true;
    attributes_are_object_ = text.front() == '{';
    attributes_bytes_ = text.size();
  }

  void Text(const FieldRule& rule, const Json& value) {
    if (value.is_boolean()) return Refuse(rule.column);
    const std::string text = TextOf(value);
    if (rule.column == "run_id")
      to_->run_id = text;
    else if (rule.column == "job_name")
      to_->job = text;
    else if (rule.column == "source_status")
      to_->source_status = text;
    else if (rule.column == "phase")
      to_->phase = text;
    else if (rule.column == "workflow")
      to_->workflow = text;
    else if (rule.column == "action")
      to_->action = text;
    else if (rule.column == "verdict_subject")
      to_->subject = text;
    if (text.size() > rule.max_bytes) Refuse(rule.column);
  }

  void Number(const FieldRule& rule, const Json& value) {
    const std::optional<double> number = NumberOf(value);
    if (!number || !std::isfinite(*number)) return Refuse(rule.column);
    if (rule.column == "duration_seconds") to_->duration_s = number;
  }

  void Integer(const FieldRule& rule, const Json& value) {
    const std::optional<int64_t> number = rule.holds == Holds::kTime   ? TimeOf(value)
                                          : rule.holds == Holds::kDate ? DateOf(value)
                                                                       : IntegerOf(value);
    if (!number) return Refuse(rule.column);
    const bool key = rule.column == "expected_run_time" || rule.column == "verdict_due";
    if (key) to_->due_us = number;
    if (rule.holds == Holds::kTime && !GoodTime(*number)) return Refuse(rule.column);
    if (rule.holds == Holds::kDate && !GoodDate(*number)) return Refuse(rule.column);
    if (rule.column == "data_date") to_->date = number;
    if (rule.column == "started_at") to_->started_us = number;
    if (rule.column == "attempt") to_->attempt = static_cast<int32_t>(*number);
  }

  void Kind(const Json& value) {
    const std::string word = value.is_string() ? Lower(value.get<std::string>()) : "";
    if (word == "processor")
      to_->kind = 1;
    else if (word == "scraper")
      to_->kind = 2;
    else if (word == "prediction")
      to_->kind = 3;
    else if (const auto number = IntegerOf(value))
      to_->kind = static_cast<uint64_t>(*number);
    else
      Refuse("kind");
  }

  bool Status(const Json& value) {
    if (value.is_string()) {
      const auto word = value.get<std::string>();
      const auto status = StatusOfWord(word);
      if (status) to_->status = static_cast<uint64_t>(*status);
      if (!status)
        unknown_status_ = word;
      else if (Lower(word) != NameOf(*status) && to_->source_status.empty())
        to_->source_status = word;
    } else if (const auto number = IntegerOf(value)) {
      to_->status = static_cast<uint64_t>(*number);
    } else {
      *refusal_ = {"schema", "status is neither a word nor a number"};
      return false;
    }
    return true;
  }

  Fields* to_;
  Refusal* refusal_;
  std::string unknown_status_;
  bool extra_ = false;
  bool has_attributes_ = false;
  bool attributes_are_object_ = false;
  size_t extra_bytes_ = 0;
  size_t attributes_bytes_ = 0;
};

bool ReadEvent(const Json& event, Fields* to, Refusal* refusal) {
  const auto say = [&](const char* category, const std::string& why) {
    *refusal = {category, why};
    return false;
  };
  if (!event.is_object()) return say("schema", "not an object");
  static const std::map<std::string, int> kBodies = {
      {"run", 10}, {"decision", 11}, {"expected", 12}, {"cleanup", 13}, {"verdict", 14}};
  const Json* body = nullptr;
  for (const auto& [key, value] : event.items()) {
    const auto found = kBodies.find(key);
    if (value.is_null()) continue;
    if (found != kBodies.end()) {
      if (!value.is_object()) return say("schema", key + " is not an object");
      if (body != nullptr) return say("schema", "two bodies");
      body = &value;
      to->body = found->second;
      continue;
    }
    const bool id = key == "event_id" || key == "eventId";
    const bool time = key == "event_time_us" || key == "eventTimeUs" || key == "event_time" || key == "eventTime";
    if (!id && !time && key != "sequence" && key != "backfill") continue;
    if (value.is_structured()) return say("schema", key + " is an object or array");
    if (id) {
      if (value.is_boolean()) return say("schema", "event_id is no text");
      to->id = TextOf(value);
    } else if (time) {
      const auto at = TimeOf(value);
      if (!at) return say("semantic", "event time is no time");
      to->time_us = *at;
    } else if (key == "sequence") {
      const auto sequence = IntegerOf(value);
      if (!sequence) return say("schema", "sequence is no whole number");
      to->sequence = *sequence;
    } else {
      if (!value.is_boolean()) return say("schema", "backfill is neither true nor false");
      to->backfill = value.get<bool>();
    }
  }
  if (body == nullptr) return say("schema", "no body");
  return JsonBody(to, refusal).Read(*body);
}

}  // namespace

std::optional<Event> DecodeJsonEvent(std::string_view text, int64_t record_time_us, const Limits& limits,
                                     Refusal* refusal) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    *refusal = {"decode", "no JSON"};
    return std::nullopt;
  }
  Fields fields;
  Event event;
  if (!ReadEvent(json, &fields, refusal)) return std::nullopt;
  if (!JudgeEnvelope(fields, text, record_time_us, limits, &event, refusal)) return std::nullopt;
  if (!JudgeBody(std::move(fields), &event, refusal)) return std::nullopt;
  return event;
}

}  // namespace runledger::reference
