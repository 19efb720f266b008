#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

// Protobuf messages as a list of fields, read with the library's own primitives. Private to the reference.
namespace runledger::reference {

// One field as it stands on the wire.
struct WireField {
  int number = 0;
  int type = 0;  // 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t value = 0;
  std::string_view bytes;
};

// All fields in order. False: not a protobuf message, or one with groups; then those before the fault.
bool ReadFields(std::string_view message, std::vector<WireField>* fields);

}  // namespace runledger::reference
