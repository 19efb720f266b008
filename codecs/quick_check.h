#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "codecs/column_check.h"
#include "codecs/event.h"
#include "codecs/plain_json.h"
#include "codecs/utf8.h"
#include "codecs/wire.h"

namespace runledger::codecs {

// Tells at a look that a field's value fits its column; what does not pass has to be looked at in full. By body and
// field number: small enough to stay in the cache. Never changed once made; any thread.
class QuickChecks {
 public:
  static const QuickChecks& Of(Body body);

  // Of the field that the reader stands on. A field that is no column passes.
  bool Passes(const WireReader& reader) const {
    if (reader.field() >= checks_.size()) return true;
    const Check& check = checks_[reader.field()];
    if (check.what == What::kNoColumn) return true;
    if (reader.type() != check.type) return false;
    switch (check.what) {
      case What::kNoColumn:
      case What::kAnything:
        return true;
      case What::kText:
      case What::kJson: {
        const std::string_view text = reader.bytes();
        return text.size() <= check.max_bytes && IsPlain(text) && (check.what == What::kText || IsPlainJson(text));
      }
      case What::kFloat64:
        return CheckFloat64(reader.float64()) == nullptr;
      case What::kTimestamp:
        return CheckTimestamp(reader.int64()) == nullptr;
      case What::kDate:
        return CheckDate(reader.int64()) == nullptr;
    }
    return false;
  }

 private:
  enum class What : uint8_t { kNoColumn, kAnything, kText, kJson, kFloat64, kTimestamp, kDate };
  struct Check {
    What what = What::kNoColumn;
    WireType type = WireType::kVarint;
    uint32_t max_bytes = 0;
  };

  explicit QuickChecks(Body body);

  std::vector<Check> checks_;  // by field number
};

}  // namespace runledger::codecs
