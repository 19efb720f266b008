#pragma once

#include <string_view>

namespace runledger::codecs {

// JSON of the plainest kind is nested at most so deep.
inline constexpr int kPlainJsonNesting = 17;
// True if the text is such JSON, which nearly all of it is: a quick look before the parser. False says nothing: the
// text may be JSON all the same.
bool IsPlainJson(std::string_view text);

}  // namespace runledger::codecs
