#pragma once

#include <optional>
#include <string_view>

#include "exporters/http/json_answer.h"
#include "exporters/http/message.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// What to answer about a job that none of this instance's partitions has: 421 with the `owner` to ask, where its home
// is another instance's; 503 where that cannot be told now. Nothing: it would be here, so there is none. May ask the
// group, see Fleet::Owners.
std::optional<Response> Elsewhere(const ingest::PartitionDirectory& directory, std::string_view job);

// [{"topic", "partition", "owner": address or null, "here": bool}]: all partitions of the topics that are read.
absl::StatusOr<Json> OwnersJson(const ingest::PartitionDirectory& directory);

// This instance has every partition there is: what it says of all jobs is said of all of them. False too where that is
// not known. Asks nobody.
bool OwnsAll(const ingest::PartitionDirectory& directory);

}  // namespace runledger::exporters
