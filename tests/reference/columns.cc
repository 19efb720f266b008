#include "reference/columns.h"

#include <nlohmann/json.hpp>
#include <set>

#include "runledger/v1/event.pb.h"

namespace runledger::reference {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const std::set<std::string> kJsonNames = {"warnings",
                                          "summary",
                                          "trigger_message_data",
                                          "missing_dependencies",
                                          "stale_dependencies",
                                          "upstream_dependencies",
                                          "opts",
                                          "attributes",
                                          "context",
                                          "scrapers_triggered",
                                          "target_games",
                                          "scrapers",
                                          "missing_files"};
const std::set<std::string> kLongNames = {"error_message", "skip_reason", "output_path", "reason", "explained_by"};
const std::set<std::string> kWordNames = {"source_status", "action", "verdict"};

FieldRule RuleOf(const FieldDescriptor& field) {
  FieldRule rule;
  rule.column = field.name();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      rule.holds = Holds::kInteger;
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      rule.holds = Holds::kInteger;
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      rule.holds = Holds::kNumber;
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      rule.holds = Holds::kFlag;
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      rule.holds = field.name() == "kind" ? Holds::kKind : Holds::kStatus;
      break;
    default:
      break;
  }
  if (rule.column.ends_with("_us")) {
    rule.column.resize(rule.column.size() - 3);
    rule.holds = Holds::kTime;
  }
  if (rule.column.ends_with("_date")) rule.holds = Holds::kDate;
  if (rule.holds != Holds::kText) return rule;
  rule.max_bytes = kNameBytes;
  if (kWordNames.count(rule.column) > 0) rule.max_bytes = 128;
  if (kLongNames.count(rule.column) > 0) rule.max_bytes = 65'536;
  if (rule.column == "errors") rule.holds = Holds::kErrors;
  if (kJsonNames.count(rule.column) > 0) rule.holds = Holds::kJson;
  if (rule.holds != Holds::kText) rule.max_bytes = 1'048'576;
  return rule;
}

struct Body {
  std::map<int, FieldRule> rules;
  std::map<std::string, int> numbers;
};

Body MakeBody(int number) {
  Body body;
  const Descriptor* message = v1::Event::descriptor()->FindFieldByNumber(number)->message_type();
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor& field = *message->field(i);
    const FieldRule rule = RuleOf(field);
    body.rules[field.number()] = rule;
    body.numbers[field.name()] = field.number();
    body.numbers[field.json_name()] = field.number();
    body.numbers[rule.column] = field.number();
  }
  return body;
}

const Body& BodyOf(int number) {
  static const auto* const kBodies = new std::map<int, Body>{
      {10, MakeBody(10)}, {11, MakeBody(11)}, {12, MakeBody(12)}, {13, MakeBody(13)}, {14, MakeBody(14)}};
  return kBodies->at(number);
}

}  // namespace

const std::map<int, FieldRule>& RulesOf(int body) { return BodyOf(body).rules; }

int FieldNumberOf(int body, const std::string& name) {
  const std::map<std::string, int>& numbers = BodyOf(body).numbers;
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

bool GoodUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    size_t more = 0;
    uint32_t point = byte;
    if (byte >= 0xF0) {
      more = 3;
      point = byte & 7u;
    } else if (byte >= 0xE0) {
      more = 2;
      point = byte & 15u;
    } else if (byte >= 0xC0) {
      more = 1;
      point = byte & 31u;
    } else if (byte >= 0x80) {
      return false;
    }
    if (byte > 0xF7 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0u) != 0x80u) return false;
      point = point << 6 | (next & 63u);
    }
    static constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += more + 1;
  }
  return true;
}

int JsonDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        quoted = false;
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == '[' || text[i] == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
  return deepest;
}

bool GoodJson(std::string_view text) { return JsonDepth(text) <= 500 && nlohmann::json::accept(text); }

bool GoodTime(int64_t microseconds) {
  return microseconds >= -62'135'596'800'000'000 && microseconds < 253'402'300'800'000'000;
}

bool GoodDate(int64_t days) { return days >= -719'162 && days <= 2'932'896; }

}  // namespace runledger::reference
