#pragma once

#include <string_view>

namespace runledger::exporters {

// The files of sql/, by name without folder. Aborts on a name that is none: a slip in our own code.
std::string_view EmbeddedSql(std::string_view file);

}  // namespace runledger::exporters
