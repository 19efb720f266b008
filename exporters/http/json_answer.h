#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "exporters/http/as_of.h"
#include "exporters/http/message.h"
#include "ingest/position.h"

namespace runledger::exporters {

using Json = nlohmann::ordered_json;

// RFC 3339, or null for kNever.
Json TimeJson(int64_t microseconds);
Json PartitionJson(const ingest::TopicPartition& partition);
// {"as_of": ..., "caught_up": ...}
Json AnswerJson(const AsOf& as_of);
// 200, not to be kept by caches.
Response JsonResponse(const Json& json);

}  // namespace runledger::exporters
