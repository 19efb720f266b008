#pragma once

#include <string>

#include "exporters/http/message.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// The page at /: jobs, those that need attention first, partitions and problems. HTML that needs nothing else, not even
// JavaScript. Any thread; waits for nothing.
Response StatusPage(const ingest::PartitionDirectory& directory, const std::string& version);

}  // namespace runledger::exporters
