#include "reference/wire.h"

#include <google/protobuf/io/coded_stream.h>

namespace runledger::reference {
namespace {

// The library drops what a number has beyond 64 bits; here that is no number.
bool ReadNumber(std::string_view message, google::protobuf::io::CodedInputStream* in, uint64_t* value) {
  const int from = in->CurrentPosition();
  if (!in->ReadVarint64(value)) return false;
  const int size = in->CurrentPosition() - from;
  return size < 10 || static_cast<unsigned char>(message[static_cast<size_t>(from) + 9]) <= 1;
}

}  // namespace

bool ReadFields(std::string_view message, std::vector<WireField>* fields) {
  const auto* data = reinterpret_cast<const uint8_t*>(message.data());
  google::protobuf::io::CodedInputStream in(data, static_cast<int>(message.size()));
  for (;;) {
    if (static_cast<size_t>(in.CurrentPosition()) == message.size()) return true;
    uint64_t tag = 0;
    if (!ReadNumber(message, &in, &tag) || tag > UINT32_MAX) return false;  // a field number is below 2^29
    WireField field;
    field.number = static_cast<int>(tag >> 3);
    field.type = static_cast<int>(tag & 7);
    if (field.number == 0) return false;
    uint32_t small = 0;
    switch (field.type) {
      case 0:
        if (!ReadNumber(message, &in, &field.value)) return false;
        break;
      case 1:
        if (!in.ReadLittleEndian64(&field.value)) return false;
        break;
      case 2: {
        uint64_t size = 0;
        if (!ReadNumber(message, &in, &size)) return false;
        const auto at = static_cast<size_t>(in.CurrentPosition());
        if (size > message.size() - at) return false;
        field.bytes = message.substr(at, size);
        if (!in.Skip(static_cast<int>(size))) return false;
        break;
      }
      case 5:
        if (!in.ReadLittleEndian32(&small)) return false;
        field.value = small;
        break;
      default:
        return false;
    }
    fields->push_back(field);
  }
}

}  // namespace runledger::reference
