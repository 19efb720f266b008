#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/event.h"
#include "codecs/event_decoder.h"
#include "codecs/inflate.h"
#include "codecs/limits.h"
#include "codecs/rejection.h"

namespace runledger::codecs {

// How a topic's messages are packed, where a message's headers do not say it.
enum class Framing : uint8_t {
  kAuto,      // zstd magic: a batch; '{' or '[': JSON; else one protobuf Event
  kProtobuf,  // one Event
  kBatch,     // one EventBatch, compressed with zstd or not
  kJson,      // one event, or an array of events
};

std::string_view FramingName(Framing framing);
std::optional<Framing> FramingFromName(std::string_view name);

// The headers that choose the framing. Any that are empty were not given.
struct FramingHeaders {
  std::string_view content_type;
  std::string_view content_encoding;
};

// Takes what a record holds, event by event, in order.
class EventVisitor {
 public:
  virtual ~EventVisitor() = default;
  // `index`: place in the record, from 0. The event is good until the call returns.
  virtual void OnEvent(int32_t index, const Event& event) = 0;
  // `bytes`: the event alone where one of many is bad (protobuf, or JSON in a JSON record), else the whole value.
  // `whole`: nothing else comes from this record.
  virtual void OnRejected(int32_t index, const Rejection& rejection, std::string_view bytes, bool whole) = 0;
};

// What a record turned out to be.
struct DecodedRecord {
  Framing framing = Framing::kProtobuf;  // never kAuto
  int32_t events = 0;                    // good ones
  int32_t rejected = 0;
};

// Decodes Kafka values of every framing. One thread at a time; keeps its buffers from record to record.
class RecordDecoder {
 public:
  RecordDecoder(const Limits& limits, Framing topic_framing);

  // `value_is_null`: a tombstone, which is no event. `record_time_us`: as for EventDecoder.
  // A bad event of many goes alone and its neighbours stay; a record whose packing is broken goes whole.
  DecodedRecord Decode(std::string_view value, bool value_is_null, const FramingHeaders& headers,
                       int64_t record_time_us, EventVisitor* visitor);

  // For visitors: how the record that is being decoded is packed.
  Framing framing() const { return framing_; }

 private:
  // What a pair of headers means. Most records of a topic carry the same two, so the last answer is kept.
  struct HeaderMeaning {
    std::string content_type;
    std::string content_encoding;
    std::optional<Framing> framing;
    bool zstd = false;
  };

  const HeaderMeaning& Meaning(const FramingHeaders& headers);
  void DecodeBatch(std::string_view batch, int64_t record_time_us, EventVisitor* visitor, DecodedRecord* result);
  void DecodeJson(std::string_view text, int64_t record_time_us, EventVisitor* visitor, DecodedRecord* result);
  void DecodeOne(int32_t index, std::string_view wire, int64_t record_time_us, EventVisitor* visitor,
                 DecodedRecord* result);

  Limits limits_;
  Framing topic_framing_;
  EventDecoder decoder_;
  Inflater inflater_;
  Event event_;
  Rejection rejection_;
  std::string json_wire_;
  HeaderMeaning meaning_;
  Framing framing_ = Framing::kProtobuf;
};

// Changes whenever the same record could be judged differently: another decoder, other limits, another framing. Stored
// with positions, so that a new owner knows whether it may count good rows as its predecessor did.
uint32_t RulesNumber(const Limits& limits, Framing topic_framing);

}  // namespace runledger::codecs
