#pragma once

#include <string>

namespace runledger::codecs {

// The documentation page of the table `events` and its views, in Markdown (docs/tables.md): made of their declarations,
// so that it cannot say anything else.
std::string TablePage();

}  // namespace runledger::codecs
