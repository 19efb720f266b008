#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codecs/rejection.h"
#include "ingest/log.h"
#include "ingest/position.h"

namespace runledger::ingest {

// Headers that a dead letter carries beside those of its record.
inline constexpr std::string_view kDeadLetterCategory = "runledger-category";    // codecs::CategoryName
inline constexpr std::string_view kDeadLetterReason = "runledger-reason";        // a sentence
inline constexpr std::string_view kDeadLetterTopic = "runledger-topic";          // where it stood: with the three
inline constexpr std::string_view kDeadLetterPartition = "runledger-partition";  //   below its identity
inline constexpr std::string_view kDeadLetterOffset = "runledger-offset";
inline constexpr std::string_view kDeadLetterIndex = "runledger-index";  // of the event in its record
inline constexpr std::string_view kDeadLetterEpoch = "runledger-epoch";
inline constexpr std::string_view kDeadLetterFirstSeen = "runledger-first-seen";  // RFC 3339
inline constexpr std::string_view kDeadLetterAttempts = "runledger-attempts";
inline constexpr std::string_view kDeadLetterContentType =
    "runledger-original-content-type";  // where the event was taken out of a record
inline constexpr std::string_view kDeadLetterContentEncoding = "runledger-original-content-encoding";
inline constexpr std::string_view kDeadLetterTruncated =
    "runledger-truncated";  // bytes that the value had before it was cut

// What a cut-off dead letter keeps of its value.
inline constexpr size_t kDeadLetterHeadBytes = 64 << 10;

struct DeadLetterOrigin {
  const TopicPartition* partition = nullptr;
  Position position;
  int64_t log_epoch = 0;
  bool has_key = false;
  std::string_view key;
  std::span<const kafka::Header> headers;
};

// The record to write. `value` is the whole value of the record, or one event taken out of it; `event_of_many` then
// says what it is now ("application/json", or protobuf's type) and the record's own content headers are kept under
// other names, so that the letter can be sent again as it is.
OutgoingRecord MakeDeadLetter(const std::string& topic, const DeadLetterOrigin& origin,
                              const codecs::Rejection& rejection, std::string_view value, bool has_value,
                              std::string_view event_of_many, int64_t first_seen_us);

// The same letter with only the head of its value, for a topic that refuses it for its size.
void Truncate(OutgoingRecord* letter);

// Sets the header `runledger-attempts`.
void SetAttempts(OutgoingRecord* letter, int attempts);

}  // namespace runledger::ingest
