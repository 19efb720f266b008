#include "codecs/column_check.h"

#include "codecs/json.h"
#include "codecs/limits.h"
#include "codecs/utf8.h"

namespace runledger::codecs {

const char* CheckText(const Column& column, std::string_view value) {
  if (value.size() > column.max_bytes) return "is longer than the column's limit";
  if (!IsUtf8(value)) return "is not UTF-8";
  if (column.type == ColumnType::kJson && !IsJson(value)) return "is not JSON";
  return nullptr;
}

const char* CheckTimestamp(int64_t microseconds) {
  return microseconds < kMinTimestampUs || microseconds > kMaxTimestampUs ? "is outside the years 1 to 9999" : nullptr;
}

const char* CheckDate(int64_t days) {
  return days < kMinDate || days > kMaxDate ? "is outside the years 1 to 9999" : nullptr;
}

}  // namespace runledger::codecs
