#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace runledger::codecs {

// Wire types of Protocol Buffers (encoding specification, "Message structure"). Groups (3, 4) are refused.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Reads one protobuf message in place, field by field: nothing is copied or allocated. One thread.
//
//   while (reader.Next()) switch (reader.field()) { case 1: id = reader.bytes(); ... }
//   if (!reader.ok()) ...
//
// Values are read eagerly, so fields that nobody asks for are skipped by not asking. Truncated or
// malformed input ends the loop with ok() == false; error() says why.
class WireReader {
 public:
  explicit WireReader(std::string_view message)
      : at_(reinterpret_cast<const uint8_t*>(message.data())), end_(at_ + message.size()) {}

  // Moves to the next field. False at the end of the message or at an error.
  [[gnu::always_inline]] bool Next() {
    if (at_ == end_) return false;
    // Nearly every tag has one or two bytes, nearly every length one.
    uint64_t tag = *at_;
    if (tag < 0x80) {
      ++at_;
    } else if (end_ - at_ >= 2 && at_[1] < 0x80) {
      tag = (tag & 0x7f) | uint64_t{at_[1]} << 7;
      at_ += 2;
    } else if (!ReadShort(&tag)) {
      return false;
    }
    const uint64_t field = tag >> 3;
    if (field - 1 >= kMaxFieldNumber) return Fail("a field number is out of range");
    field_ = static_cast<uint32_t>(field);
    type_ = static_cast<WireType>(tag & 7);
    if (type_ == WireType::kBytes) return ReadBytes();
    if (type_ == WireType::kVarint) return ReadVarint(&number_);
    if (type_ == WireType::kFixed64) return ReadFixed(8);
    if (type_ == WireType::kFixed32) return ReadFixed(4);
    return Fail("a wire type is not known");
  }

  uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  // Of kVarint, kFixed64 and kFixed32 fields.
  uint64_t number() const { return number_; }
  int64_t int64() const { return static_cast<int64_t>(number_); }
  bool boolean() const { return number_ != 0; }
  // Of kFixed64 fields.
  double float64() const {
    double value;
    std::memcpy(&value, &number_, sizeof value);
    return value;
  }
  // Of kBytes fields: a view into the message.
  std::string_view bytes() const { return bytes_; }

  bool ok() const { return error_ == nullptr; }
  const char* error() const { return error_; }

 private:
  static constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;

  bool Fail(const char* why) {
    error_ = why;
    at_ = end_;
    return false;
  }

  // What a number of several bytes is, and where it ends.
  struct Long {
    uint64_t value;
    const uint8_t* end;  // nullptr: it is none
    const char* error;
  };
  // Apart from the reader, so that its members can stay in registers. For the last bytes of a message, and for numbers
  // of more than eight.
  [[gnu::noinline]] static Long ReadLong(const uint8_t* at, const uint8_t* end) {
    uint64_t result = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at == end) return {0, nullptr, "it ends inside a number"};
      const uint8_t byte = *at++;
      if (shift == 63 && byte > 1) return {0, nullptr, "a number has more than 64 bits"};
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return {result, at, nullptr};
    }
    return {0, nullptr, "a number has more than 10 bytes"};
  }

  [[gnu::always_inline]] bool ReadVarint(uint64_t* value) {
    if (at_ < end_ && *at_ < 0x80) {  // one byte: most lengths and flags
      *value = *at_++;
      return true;
    }
    if (end_ - at_ >= 8) {
      uint64_t word;  // little endian, as the machines we build for
      std::memcpy(&word, at_, sizeof word);
      if (const uint64_t last = ~word & 0x8080808080808080u; last != 0) {
        word &= last ^ (last - 1);  // up to the first byte without a high bit
        // Seven bits of each byte, put together by twos.
        word = (word & 0x007f007f007f007fu) | (word & 0x7f007f007f007f00u) >> 1;
        word = (word & 0x00003fff00003fffu) | (word & 0x3fff00003fff0000u) >> 2;
        *value = (word & 0x000000000fffffffu) | (word & 0x0fffffff00000000u) >> 4;
        at_ += std::countr_zero(last) / 8 + 1;
        return true;
      }
    }
    const Long number = ReadLong(at_, end_);
    if (number.end == nullptr) return Fail(number.error);
    *value = number.value;
    at_ = number.end;
    return true;
  }

  // A tag or a length: no parser takes more than five bytes for one, however many of them are padding.
  [[gnu::always_inline]] bool ReadShort(uint64_t* value) {
    const uint8_t* const start = at_;
    if (!ReadVarint(value)) return false;
    return at_ - start <= 5 || Fail("a tag or length has more than 5 bytes");
  }

  [[gnu::always_inline]] bool ReadBytes() {
    uint64_t size;
    if (!ReadShort(&size)) return false;
    if (size > static_cast<uint64_t>(end_ - at_)) return Fail("a length reaches past the end");
    bytes_ = {reinterpret_cast<const char*>(at_), static_cast<size_t>(size)};
    at_ += size;
    return true;
  }

  [[gnu::always_inline]] bool ReadFixed(int size) {
    if (end_ - at_ < size) return Fail("it ends inside a number");
    number_ = 0;
    std::memcpy(&number_, at_, static_cast<size_t>(size));  // little endian, as the machines we build for
    at_ += size;
    return true;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  const char* error_ = nullptr;
  uint64_t number_ = 0;
  std::string_view bytes_;
  uint32_t field_ = 0;
  WireType type_ = WireType::kVarint;
};

// Appends fields of one protobuf message to a string.
class WireWriter {
 public:
  explicit WireWriter(std::string* out) : out_(out) {}

  void Number(uint32_t field, uint64_t value) {
    Varint(uint64_t{field} << 3);
    Varint(value);
  }
  void Int64(uint32_t field, int64_t value) { Number(field, static_cast<uint64_t>(value)); }
  void Float64(uint32_t field, double value) {
    Varint((uint64_t{field} << 3) | 1);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out_->append(raw, sizeof raw);
  }
  void Bytes(uint32_t field, std::string_view value) {
    Varint((uint64_t{field} << 3) | 2);
    Varint(value.size());
    out_->append(value);
  }

 private:
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }

  std::string* out_;
};

}  // namespace runledger::codecs
