#include "codecs/bindings.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "runledger/v1/event.pb.h"

namespace runledger::codecs {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const Descriptor* MessageOf(Body body) {
  const FieldDescriptor* field = v1::Event::descriptor()->FindFieldByNumber(static_cast<int>(body));
  return field->message_type();
}

std::optional<FieldBinding::Value> ValueOf(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_STRING:
      return FieldBinding::Value::kText;
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_INT64:
      return FieldBinding::Value::kInt64;
    case FieldDescriptor::TYPE_DOUBLE:
      return FieldBinding::Value::kFloat64;
    case FieldDescriptor::TYPE_BOOL:
      return FieldBinding::Value::kBool;
    case FieldDescriptor::TYPE_ENUM:
      return field.enum_type()->name() == "Kind" ? FieldBinding::Value::kKind : FieldBinding::Value::kStatus;
    default:
      return std::nullopt;
  }
}

bool Fits(FieldBinding::Value value, ColumnType type) {
  using Value = FieldBinding::Value;
  switch (type) {
    case ColumnType::kString:
      return value == Value::kText || value == Value::kKind || value == Value::kStatus;
    case ColumnType::kJson:
      return value == Value::kText;
    case ColumnType::kFloat64:
      return value == Value::kFloat64;
    case ColumnType::kBool:
      return value == Value::kBool;
    case ColumnType::kInt64:
    case ColumnType::kTimestamp:
    case ColumnType::kDate:
      return value == Value::kInt64;
  }
  return false;
}

}  // namespace

BodyBindings::BodyBindings(Body body) {
  const Descriptor* message = MessageOf(body);
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor& field = *message->field(i);
    std::string column_name = field.name();
    if (column_name.ends_with("_us")) column_name.resize(column_name.size() - 3);
    const std::optional<size_t> column = FindEventColumn(column_name);
    const std::optional<FieldBinding::Value> value = ValueOf(field);
    if (!column || !value || !Fits(*value, EventColumns()[*column].type)) {
      std::fprintf(stderr, "event.proto: field %s has no column of its type in the table `events`\n",
                   field.full_name().c_str());
      std::abort();
    }
    FieldBinding binding{field.name(), field.json_name(), static_cast<uint32_t>(field.number()), *value, *column};
    by_name_.emplace_back(binding.name, binding.number);
    by_name_.emplace_back(binding.json_name, binding.number);
    by_name_.emplace_back(column_name, binding.number);
    if (binding.number >= by_number_.size()) by_number_.resize(binding.number + 1);
    by_number_[binding.number] = std::move(binding);
  }
  std::sort(by_name_.begin(), by_name_.end());
}

const FieldBinding* BodyBindings::Find(std::string_view name) const {
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  return at != by_name_.end() && at->first == name ? &by_number_[at->second] : nullptr;
}

const BodyBindings& BindingsOf(Body body) {
  static const auto* const kAll = [] {
    auto* all = new std::array<BodyBindings, kAllBodies.size()>{
        BodyBindings(Body::kRun), BodyBindings(Body::kDecision), BodyBindings(Body::kExpected),
        BodyBindings(Body::kCleanup), BodyBindings(Body::kVerdict)};
    return all;
  }();
  return (*kAll)[static_cast<size_t>(body) - static_cast<size_t>(Body::kRun)];
}

}  // namespace runledger::codecs
