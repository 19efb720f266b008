#pragma once

#include <string_view>

#include "exporters/prometheus/exposition_writer.h"

namespace runledger::exporters {

// What a scraper wants (the header Accept): the format with the greatest weight among those we write, the one named
// first among equals; text 0.0.4 if it wants none of them or says nothing.
Format ChooseFormat(std::string_view accept);
// The answer's Content-Type.
std::string_view ContentTypeOf(Format format);
// Whether the header Accept-Encoding allows gzip.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace runledger::exporters
