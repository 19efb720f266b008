#include "exporters/bigquery/row_wire.h"

#include <google/protobuf/descriptor.pb.h>

#include <vector>

#include "codecs/events_table.h"
#include "codecs/wire.h"
#include "google/cloud/bigquery/storage/v1/storage.pb.h"

namespace runledger::exporters {
namespace {

using codecs::Column;
using codecs::ColumnType;
using codecs::WireType;
using google::cloud::bigquery::storage::v1::AppendRowsRequest;
using google::cloud::bigquery::storage::v1::ProtoRows;
using google::cloud::bigquery::storage::v1::ProtoSchema;
using google::protobuf::FieldDescriptorProto;

constexpr size_t kMaxVarint = 10;
constexpr size_t kMaxTag = 5;
constexpr char kTraceId[] = "runledger";

constexpr uint32_t Tag(int field, WireType type) {
  return static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(type);
}

char* PutVarint(char* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

FieldDescriptorProto::Type TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kJson:
      return FieldDescriptorProto::TYPE_STRING;
    case ColumnType::kInt64:
    case ColumnType::kTimestamp:
      return FieldDescriptorProto::TYPE_INT64;
    case ColumnType::kDate:
      return FieldDescriptorProto::TYPE_INT32;
    case ColumnType::kFloat64:
      return FieldDescriptorProto::TYPE_DOUBLE;
    case ColumnType::kBool:
      return FieldDescriptorProto::TYPE_BOOL;
  }
  return FieldDescriptorProto::TYPE_STRING;
}

WireType WireTypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kJson:
      return WireType::kBytes;
    case ColumnType::kFloat64:
      return WireType::kFixed64;
    default:
      return WireType::kVarint;
  }
}

struct FieldOnWire {
  uint32_t tag;
  WireType type;
};

const std::vector<FieldOnWire>& Fields() {
  static const auto* const kFields = [] {
    auto* fields = new std::vector<FieldOnWire>;
    for (const Column& column : codecs::EventColumns()) {
      const WireType type = WireTypeOf(column.type);
      fields->push_back({Tag(static_cast<int>(fields->size()) + 1, type), type});
    }
    return fields;
  }();
  return *kFields;
}

}  // namespace

const std::string& RowDescriptor() {
  static const auto* const kDescriptor = [] {
    google::protobuf::DescriptorProto message;
    message.set_name("EventsRow");
    for (const Column& column : codecs::EventColumns()) {
      FieldDescriptorProto* field = message.add_field();
      field->set_name(std::string(column.name));
      field->set_number(message.field_size());
      // Optional, though the column may be required: the server checks that.
      field->set_label(FieldDescriptorProto::LABEL_OPTIONAL);
      field->set_type(TypeOf(column.type));
    }
    return new std::string(message.SerializeAsString());
  }();
  return *kDescriptor;
}

void AppendRow(const codecs::Row& row, WireBuffer* to) {
  const std::vector<FieldOnWire>& fields = Fields();
  const std::vector<codecs::Value>& values = row.values();
  size_t most = 0;
  for (const codecs::Value& value : values) most += value.null ? 0 : value.text.size() + kMaxTag + kMaxVarint;

  // The row's size stands before it. It is known afterwards; two bytes hold that of most.
  constexpr size_t kExpected = 2;
  char* const entry = to->Reserve(most + kMaxTag + kMaxVarint);
  char* const size_at = PutVarint(entry, Tag(ProtoRows::kSerializedRowsFieldNumber, WireType::kBytes));
  char* const begin = size_at + kExpected;
  char* at = begin;
  for (size_t i = 0; i < values.size(); ++i) {
    const codecs::Value& value = values[i];
    if (value.null) continue;
    at = PutVarint(at, fields[i].tag);
    switch (fields[i].type) {
      case WireType::kBytes:
        at = PutVarint(at, value.text.size());
        std::memcpy(at, value.text.data(), value.text.size());
        at += value.text.size();
        break;
      case WireType::kFixed64:
        std::memcpy(at, &value.number, sizeof value.number);  // little endian, as the machines we build for
        at += sizeof value.number;
        break;
      default:
        at = PutVarint(at, static_cast<uint64_t>(value.integer));
        break;
    }
  }
  const auto size = static_cast<size_t>(at - begin);
  const size_t size_size = VarintSize(size);
  if (size_size != kExpected) std::memmove(size_at + size_size, begin, size);
  PutVarint(size_at, size);
  to->Advance(static_cast<size_t>(size_at - entry) + size_size + size);
}

std::string AppendRequestHead(std::string_view stream, int64_t offset, bool with_type, size_t rows_bytes) {
  std::string type;
  if (with_type) {
    std::string schema;
    codecs::WireWriter(&schema).Bytes(ProtoSchema::kProtoDescriptorFieldNumber, RowDescriptor());
    codecs::WireWriter(&type).Bytes(AppendRowsRequest::ProtoData::kWriterSchemaFieldNumber, schema);
  }
  const auto length_of = [](int field, size_t bytes) {
    char raw[kMaxTag + kMaxVarint];
    char* at = PutVarint(raw, Tag(field, WireType::kBytes));
    at = PutVarint(at, bytes);
    return std::string(raw, static_cast<size_t>(at - raw));
  };
  const std::string rows = length_of(AppendRowsRequest::ProtoData::kRowsFieldNumber, rows_bytes);

  std::string head;
  codecs::WireWriter out(&head);
  out.Bytes(AppendRowsRequest::kWriteStreamFieldNumber, stream);
  std::string wrapped;
  if (offset != 0) codecs::WireWriter(&wrapped).Int64(1, offset);  // google.protobuf.Int64Value, proto3: 0 is left out
  out.Bytes(AppendRowsRequest::kOffsetFieldNumber, wrapped);
  if (with_type) out.Bytes(AppendRowsRequest::kTraceIdFieldNumber, kTraceId);
  head += length_of(AppendRowsRequest::kProtoRowsFieldNumber, type.size() + rows.size() + rows_bytes);
  head += type;
  head += rows;
  return head;
}

}  // namespace runledger::exporters
