#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace runledger::codecs {

// True if every byte is ASCII and none is NUL, which nearly every text is: the quick look before the exact one.
inline bool IsPlain(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  // The high bit of a byte that is 0 or above 127, and perhaps of one behind it: then it is not plain anyway.
  const auto load = [](const char* at) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word | (word - kOnes);
  };
  uint64_t marks = 0;
  const size_t size = text.size();
  const char* const data = text.data();
  if (size < 8) {
    for (size_t i = 0; i < size; ++i) marks |= static_cast<signed char>(data[i]) <= 0 ? kHighs : 0;
  } else {
    for (size_t at = 0; at + 8 < size; at += 8) marks |= load(data + at);
    marks |= load(data + size - 8);
  }
  return (marks & kHighs) == 0;
}

// True if the text is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing past U+10FFFF).
bool IsUtf8(std::string_view text);

// The longest prefix of at most `max_bytes` bytes that does not cut a code point in two.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

// The text with every malformed byte replaced by U+FFFD: for error messages about malformed text.
std::string Utf8OrReplacement(std::string_view text);

}  // namespace runledger::codecs
