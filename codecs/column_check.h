#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "codecs/events_table.h"

namespace runledger::codecs {

// Why a warehouse could not hold the value, as static text; nullptr if it can. The same for every warehouse.
const char* CheckText(const Column& column, std::string_view value);  // STRING and JSON
const char* CheckTimestamp(int64_t microseconds);
const char* CheckDate(int64_t days);
inline const char* CheckFloat64(double value) { return std::isfinite(value) ? nullptr : "is not a finite number"; }

}  // namespace runledger::codecs
