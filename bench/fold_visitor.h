#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "aggregators/shard.h"
#include "codecs/record_decoder.h"

namespace runledger::bench {

// Folds every event into a shard; one that is refused ends the program.
class FoldVisitor : public codecs::EventVisitor {
 public:
  explicit FoldVisitor(aggregators::Shard* shard) : shard_(shard) {}
  void OnEvent(int32_t, const codecs::Event& event) override { shard_->Apply(event); }
  void OnAhead(std::span<const codecs::Event* const> events) override { shard_->Prefetch(events); }
  void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
    std::fprintf(stderr, "rejected: %s\n", rejection.text.c_str());
    std::abort();
  }

 private:
  aggregators::Shard* shard_;
};

// Decodes and folds events, one a record, as delivery does: a few at a time are decoded ahead.
inline void FoldEvents(std::span<const std::string> events, int64_t log_time_us, codecs::RecordDecoder* decoder,
                       aggregators::Shard* shard) {
  constexpr size_t kAhead = codecs::RecordDecoder::kAhead;
  FoldVisitor visitor(shard);
  std::array<codecs::EncodedRecord, kAhead> records;
  for (size_t at = 0; at < events.size(); at += kAhead) {
    const size_t count = std::min(kAhead, events.size() - at);
    for (size_t i = 0; i < count; ++i) records[i] = {.value = events[at + i], .time_us = log_time_us};
    decoder->LookAhead({records.data(), count}, &visitor);
    for (size_t i = 0; i < count; ++i) {
      shard->BeginRecord(log_time_us, aggregators::TimestampKind::kAppendTime);
      decoder->Decode(records[i], &visitor);
      shard->EndRecord();
    }
  }
}

}  // namespace runledger::bench
