#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
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
  // These are about to come, unless their record is not decoded after all: the moment to fetch what they need into the
  // cache. Good until the call returns.
  virtual void OnAhead(std::span<const Event* const> /*events*/) {}
};

// A Kafka value and what its record says of it. Views, good for as long as what they point to.
struct EncodedRecord {
  std::string_view value;
  bool value_is_null = false;  // a tombstone, which is no event
  FramingHeaders headers;
  int64_t time_us = -1;  // the record's own timestamp, as for EventDecoder; below 0: it has none
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
  // So many events are decoded before the first of them is visited: enough for their memory to be under way together,
  // few enough to stay in the first-level cache.
  static constexpr size_t kAhead = 16;

  // `check_columns`: as for EventDecoder.
  RecordDecoder(const Limits& limits, Framing topic_framing, bool check_columns = false);

  // A bad event of many goes alone and its neighbours stay; a record whose packing is broken goes whole.
  // The answer is good until the next call.
  const DecodedRecord& Decode(const EncodedRecord& record, EventVisitor* visitor);

  // Optional, before Decode of the next records, at most kAhead: those that hold one protobuf event each are decoded
  // now, all of them, and OnAhead is called; Decode then takes what is there. Whether a record is decoded afterwards,
  // and in which order, makes no difference. Good until the next call, or DropAhead: before the records go.
  void LookAhead(std::span<const EncodedRecord> records, EventVisitor* visitor);
  void DropAhead() { ahead_count_ = ahead_next_ = 0; }

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

  // An event that was decoded and not visited yet.
  struct Decoded {
    std::string_view wire;
    bool good = false;
    Event event;
    Rejection rejection;
  };

  const HeaderMeaning& Meaning(const FramingHeaders& headers);
  // How a record is packed. kAuto: as one event, or as a batch if it is compressed.
  struct Packing {
    std::optional<Framing> framing;
    bool zstd = false;
  };
  Packing PackingOf(const EncodedRecord& record);
  DecodedRecord DecodeNow(const EncodedRecord& record, EventVisitor* visitor);
  void DecodeBatch(std::string_view batch, int64_t record_time_us, EventVisitor* visitor, DecodedRecord* result);
  void DecodeJson(std::string_view text, int64_t record_time_us, EventVisitor* visitor, DecodedRecord* result);
  void DecodeAhead(std::string_view wire, int64_t record_time_us, Decoded* decoded);
  static void TellAhead(std::span<const Decoded> ahead, EventVisitor* visitor);
  // True if it is a good one.
  static bool Visit(int32_t index, Decoded* decoded, bool alone, EventVisitor* visitor);

  Limits limits_;
  Framing topic_framing_;
  EventDecoder decoder_;
  Inflater inflater_;
  Event event_;  // of JSON
  Rejection rejection_;
  std::string json_wire_;
  // Of records to come, and of the batch that is being decoded.
  std::array<Decoded, kAhead> ahead_;
  size_t ahead_count_ = 0;
  size_t ahead_next_ = 0;
  std::array<Decoded, kAhead> of_batch_;
  HeaderMeaning meaning_;
  Framing framing_ = Framing::kProtobuf;
  DecodedRecord
      decoded_;  // here and not returned by value: putting it together would wait for all that the visitor wrote
};

// Changes whenever the same record could be judged differently: another decoder, other limits, another framing. Stored
// with positions, so that a new owner knows whether it may count good rows as its predecessor did.
uint32_t RulesNumber(const Limits& limits, Framing topic_framing);

}  // namespace runledger::codecs
