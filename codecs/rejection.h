#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace runledger::codecs {

// Why an event or a record could not be used. The word is the `category` label and header.
enum class Category : uint8_t {
  kDecode,    // the bytes are not what the framing says
  kInflate,   // the compressed frame is damaged
  kSchema,    // well-formed, but not an event of ours; or a column holds what no warehouse takes
  kOversize,  // a limit is exceeded
  kSemantic,  // an event of ours that makes no sense: no id, no status, no time
};

inline constexpr Category kAllCategories[] = {Category::kDecode, Category::kInflate, Category::kSchema,
                                              Category::kOversize, Category::kSemantic};

constexpr std::string_view CategoryName(Category category) {
  switch (category) {
    case Category::kDecode:
      return "decode";
    case Category::kInflate:
      return "inflate";
    case Category::kSchema:
      return "schema";
    case Category::kOversize:
      return "oversize";
    case Category::kSemantic:
      return "semantic";
  }
  return "unknown";
}

// A refusal: the category, and one sentence that names the thing, the limit and the setting.
struct Rejection {
  Category category = Category::kDecode;
  std::string text;
};

}  // namespace runledger::codecs
