#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/event.h"
#include "codecs/events_table.h"
#include "codecs/wire.h"

namespace runledger::codecs {

// How one field of a body in event.proto maps to a column of the table `events`: by name, without a trailing `_us`.
struct FieldBinding {
  enum class Value : uint8_t { kText, kInt64, kFloat64, kBool, kKind, kStatus };

  std::string name;       // as in event.proto
  std::string json_name;  // lowerCamelCase
  uint32_t number = 0;
  Value value = Value::kText;
  size_t column = 0;  // index into EventColumns()

  // Wire type of the field.
  WireType wire_type() const {
    return value == Value::kText ? WireType::kBytes : value == Value::kFloat64 ? WireType::kFixed64 : WireType::kVarint;
  }
};

// The fields of one body.
class BodyBindings {
 public:
  explicit BodyBindings(Body body);

  // Of a field number; nullptr if this version does not know it.
  const FieldBinding* Find(uint32_t number) const {
    return number < by_number_.size() && by_number_[number].number != 0 ? &by_number_[number] : nullptr;
  }
  // Of a name: as in event.proto, in lowerCamelCase, or the column's own name.
  const FieldBinding* Find(std::string_view name) const;
  const std::vector<FieldBinding>& fields() const { return by_number_; }

 private:
  std::vector<FieldBinding> by_number_;
  std::vector<std::pair<std::string, uint32_t>> by_name_;  // sorted
};

// Built once, from the message descriptors. Aborts if event.proto has a field without a column of its type.
const BodyBindings& BindingsOf(Body body);

}  // namespace runledger::codecs
