#pragma once

#include <cstddef>
#include <cstdint>

namespace runledger::codecs {

// How large input may be. Configuration section `limits`; a text for every bound stands in docs/configuration.md.
struct Limits {
  size_t message_bytes = size_t{10} << 20;        // limits.message_bytes: one Kafka message as it comes
  size_t inflated_bytes = size_t{64} << 20;       // limits.inflated_bytes: the same after decompression
  int32_t batch_events = 100'000;                 // limits.batch_events: events in one message
  int32_t json_depth = 64;                        // limits.json_depth: nesting of arrays and objects
  int64_t future_us = int64_t{3600} * 1'000'000;  // log.future_limit: event time after the record's own time
};

// The range of TIMESTAMP and DATE in BigQuery (0001-01-01 .. 9999-12-31), the same for every warehouse.
inline constexpr int64_t kMinTimestampUs = -62'135'596'800'000'000;
inline constexpr int64_t kMaxTimestampUs = 253'402'300'799'999'999;
inline constexpr int32_t kMinDate = -719'162;
inline constexpr int32_t kMaxDate = 2'932'896;

}  // namespace runledger::codecs
