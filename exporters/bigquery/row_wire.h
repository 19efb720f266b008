#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "codecs/row.h"

// Rows as BigQuery's Storage Write API takes them: protobuf messages of a type that the first request describes.
// Written straight from the declaration of the table, without generated or reflected messages.

namespace runledger::exporters {

// Bytes that grow and are not cleared first. One thread while it is filled.
class WireBuffer {
 public:
  // Room for so many more bytes; what of it is used is told by Advance.
  char* Reserve(size_t more) {
    if (capacity_ - size_ < more) Grow(more);
    return data_.get() + size_;
  }
  void Advance(size_t bytes) { size_ += bytes; }
  void Truncate(size_t size) { size_ = size; }
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t size() const { return size_; }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  void Grow(size_t more) {
    size_t capacity = capacity_ < 4096 ? 4096 : capacity_ * 2;
    while (capacity - size_ < more) capacity *= 2;
    std::unique_ptr<char[]> larger(new char[capacity]);  // not make_unique: it would clear it
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// The type of the rows: a serialised google.protobuf.DescriptorProto, with one optional field for each of
// codecs::EventColumns(), named like it and numbered from 1 on.
//   STRING, JSON string; INT64, TIMESTAMP (microseconds) int64; DATE (days) int32; FLOAT64 double; BOOL bool
const std::string& RowDescriptor();

// Appends one row as an entry of ProtoRows.serialized_rows. NULL is a field that is not there.
void AppendRow(const codecs::Row& row, WireBuffer* to);

// What stands in an AppendRowsRequest before its rows: serialised, to be followed by `rows_bytes` bytes of entries as
// AppendRow writes them. `with_type`: the first request of a connection carries the rows' type.
std::string AppendRequestHead(std::string_view stream, int64_t offset, bool with_type, size_t rows_bytes);

}  // namespace runledger::exporters
