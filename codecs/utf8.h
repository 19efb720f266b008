#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace runledger::codecs {

// True if the text is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing past U+10FFFF).
bool IsUtf8(std::string_view text);

// The longest prefix of at most `max_bytes` bytes that does not cut a code point in two.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

// The text with every malformed byte replaced by U+FFFD: for error messages about malformed text.
std::string Utf8OrReplacement(std::string_view text);

}  // namespace runledger::codecs
