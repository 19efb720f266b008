#include "exporters/http/json_answer.h"

#include "codecs/civil_time.h"

namespace runledger::exporters {

Json TimeJson(int64_t microseconds) {
  return microseconds == aggregators::kNever ? Json() : Json(codecs::FormatRfc3339(microseconds));
}

Json PartitionJson(const ingest::TopicPartition& partition) {
  return {{"topic", partition.topic}, {"partition", partition.partition}};
}

Json AnswerJson(const AsOf& as_of) {
  return {{"as_of", TimeJson(as_of.watermark_us())}, {"caught_up", as_of.caught_up()}};
}

Response JsonResponse(const Json& json) {
  return {.content_type = "application/json",
          .headers = {{"Cache-Control", "no-store"}},
          .body = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
}

}  // namespace runledger::exporters
