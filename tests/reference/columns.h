#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

// What the columns of the table `events` can hold, as tables.md and BigQuery say it: an independent restatement.
namespace runledger::reference {

enum class Holds : uint8_t { kText, kJson, kErrors, kInteger, kNumber, kFlag, kTime, kDate, kKind, kStatus };

struct FieldRule {
  std::string column;  // the field's name without a trailing `_us`
  Holds holds = Holds::kText;
  size_t max_bytes = 0;  // of text and JSON
};

// Fields of a body by number. `body`: field number of the body in Event (10..14).
const std::map<int, FieldRule>& RulesOf(int body);
// The same by any name that JSON may use: as in event.proto, lowerCamelCase, or the column's. 0: not known.
int FieldNumberOf(int body, const std::string& name);

inline constexpr size_t kNameBytes = 512;

bool GoodUtf8(std::string_view text);
bool GoodJson(std::string_view text);  // nested at most 500 deep
bool GoodTime(int64_t microseconds);   // years 1 to 9999
bool GoodDate(int64_t days);

// Levels of nesting of a JSON text that is well-formed.
int JsonDepth(std::string_view text);

}  // namespace runledger::reference
