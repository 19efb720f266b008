#include "ingest/dead_letter.h"

#include <algorithm>

#include "codecs/civil_time.h"

namespace runledger::ingest {
namespace {

constexpr std::string_view kContentType = "content-type";
constexpr std::string_view kContentEncoding = "content-encoding";

void Set(OutgoingRecord* letter, std::string_view name, std::string value) {
  const auto at = std::find_if(letter->headers.begin(), letter->headers.end(),
                               [&](const auto& header) { return header.first == name; });
  if (at != letter->headers.end()) {
    at->second = std::move(value);
  } else {
    letter->headers.emplace_back(name, std::move(value));
  }
}

}  // namespace

OutgoingRecord MakeDeadLetter(const std::string& topic, const DeadLetterOrigin& origin,
                              const codecs::Rejection& rejection, std::string_view value, bool has_value,
                              std::string_view event_of_many, int64_t first_seen_us) {
  OutgoingRecord letter;
  letter.topic = topic;
  if (origin.has_key) letter.key = std::string(origin.key);
  if (has_value) letter.value = std::string(value);
  for (const kafka::Header& header : origin.headers) {
    std::string_view name = header.name;
    if (!event_of_many.empty() && name == kContentType) name = kDeadLetterContentType;
    if (!event_of_many.empty() && name == kContentEncoding) name = kDeadLetterContentEncoding;
    letter.headers.emplace_back(name, header.value);
  }
  if (!event_of_many.empty()) letter.headers.emplace_back(kContentType, event_of_many);
  Set(&letter, kDeadLetterCategory, std::string(codecs::CategoryName(rejection.category)));
  Set(&letter, kDeadLetterReason, rejection.text);
  Set(&letter, kDeadLetterTopic, origin.partition->topic);
  Set(&letter, kDeadLetterPartition, std::to_string(origin.partition->partition));
  Set(&letter, kDeadLetterOffset, std::to_string(origin.position.offset));
  Set(&letter, kDeadLetterIndex, std::to_string(origin.position.index));
  Set(&letter, kDeadLetterEpoch, std::to_string(origin.log_epoch));
  Set(&letter, kDeadLetterFirstSeen, codecs::FormatRfc3339(first_seen_us));
  SetAttempts(&letter, 1);
  return letter;
}

void Truncate(OutgoingRecord* letter) {
  if (!letter->value) return;
  Set(letter, kDeadLetterTruncated, std::to_string(letter->value->size()));
  letter->value->resize(std::min(letter->value->size(), kDeadLetterHeadBytes));
}

void SetAttempts(OutgoingRecord* letter, int attempts) { Set(letter, kDeadLetterAttempts, std::to_string(attempts)); }

}  // namespace runledger::ingest
