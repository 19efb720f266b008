#include "codecs/record_decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/hash.h"
#include "codecs/json.h"
#include "codecs/json_event.h"
#include "codecs/wire.h"

namespace runledger::codecs {
namespace {

// Raised by hand whenever the decoder judges an input differently than before.
constexpr uint32_t kDecoderVersion = 1;

constexpr uint32_t kBatchEventsField = 1;  // EventBatch.events

// Without regard to case. REQUIRES: part is lower case.
bool Contains(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

// What the headers say; nothing if they say nothing that we know.
std::optional<Framing> FramingOf(const FramingHeaders& headers) {
  if (Contains(headers.content_type, "json")) return Framing::kJson;
  if (Contains(headers.content_type, "protobuf")) {
    return Contains(headers.content_type, "eventbatch") ? Framing::kBatch : Framing::kProtobuf;
  }
  return std::nullopt;
}

// By the first byte, which cannot be both: '{' and '[' are no tags of Event.
Framing Sniff(std::string_view value) {
  if (!value.empty() && (value.front() == '{' || value.front() == '[')) return Framing::kJson;
  return Framing::kProtobuf;
}

// The first cache lines of a record that another thread has written.
void PrefetchText(std::string_view text) {
  constexpr size_t kLine = 64;
  const size_t size = std::min<size_t>(text.size(), 5 * kLine);
  for (size_t at = 0; at < size; at += kLine) __builtin_prefetch(text.data() + at);
}

char FirstOf(std::string_view text) {
  const size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? '\0' : text[at];
}

}  // namespace

std::string_view FramingName(Framing framing) {
  switch (framing) {
    case Framing::kAuto:
      return "auto";
    case Framing::kProtobuf:
      return "protobuf";
    case Framing::kBatch:
      return "batch";
    case Framing::kJson:
      return "json";
  }
  return "unknown";
}

std::optional<Framing> FramingFromName(std::string_view name) {
  for (Framing framing : {Framing::kAuto, Framing::kProtobuf, Framing::kBatch, Framing::kJson}) {
    if (FramingName(framing) == name) return framing;
  }
  return std::nullopt;
}

RecordDecoder::RecordDecoder(const Limits& limits, Framing topic_framing, bool check_columns)
    : limits_(limits), topic_framing_(topic_framing), decoder_(limits, check_columns) {}

const RecordDecoder::HeaderMeaning& RecordDecoder::Meaning(const FramingHeaders& headers) {
  if (headers.content_type != meaning_.content_type || headers.content_encoding != meaning_.content_encoding) {
    meaning_ = {std::string(headers.content_type), std::string(headers.content_encoding), FramingOf(headers),
                Contains(headers.content_encoding, "zstd")};
  }
  return meaning_;
}

RecordDecoder::Packing RecordDecoder::PackingOf(const EncodedRecord& record) {
  const HeaderMeaning& meaning = Meaning(record.headers);
  Packing packing{meaning.framing, meaning.zstd};
  if (!packing.framing && topic_framing_ != Framing::kAuto) packing.framing = topic_framing_;
  if (!packing.zstd && (!packing.framing || packing.framing == Framing::kBatch)) packing.zstd = IsZstd(record.value);
  if (!packing.framing && !packing.zstd) packing.framing = Sniff(record.value);
  return packing;
}

void RecordDecoder::LookAhead(std::span<const EncodedRecord> records, EventVisitor* visitor) {
  DropAhead();
  records = records.first(std::min(records.size(), kAhead));
  for (size_t i = 0; i < records.size(); ++i) {
    const EncodedRecord& record = records[i];
    if (i + 2 < records.size()) PrefetchText(records[i + 2].value);
    const Packing packing = PackingOf(record);
    if (record.value_is_null || packing.zstd || packing.framing != Framing::kProtobuf || record.value.empty() ||
        record.value.size() > limits_.message_bytes)
      continue;
    DecodeAhead(record.value, record.time_us, &ahead_[ahead_count_++]);
  }
  TellAhead({ahead_.data(), ahead_count_}, visitor);
}

void RecordDecoder::DecodeAhead(std::string_view wire, int64_t record_time_us, Decoded* decoded) {
  decoded->wire = wire;
  decoded->good = decoder_.Decode(wire, record_time_us, &decoded->event, &decoded->rejection);
}

void RecordDecoder::TellAhead(std::span<const Decoded> ahead, EventVisitor* visitor) {
  std::array<const Event*, kAhead> events;
  size_t count = 0;
  for (const Decoded& decoded : ahead) {
    if (decoded.good) events[count++] = &decoded.event;
  }
  if (count > 0) visitor->OnAhead({events.data(), count});
}

const DecodedRecord& RecordDecoder::Decode(const EncodedRecord& record, EventVisitor* visitor) {
  for (size_t i = ahead_next_; i < ahead_count_; ++i) {
    if (ahead_[i].wire.data() != record.value.data()) continue;
    ahead_next_ = i + 1;
    framing_ = decoded_.framing = Framing::kProtobuf;
    decoded_.events = ahead_[i].good ? 1 : 0;
    decoded_.rejected = 1 - decoded_.events;
    Visit(0, &ahead_[i], /*alone=*/true, visitor);
    return decoded_;
  }
  decoded_ = DecodeNow(record, visitor);
  return decoded_;
}

DecodedRecord RecordDecoder::DecodeNow(const EncodedRecord& record, EventVisitor* visitor) {
  const std::string_view value = record.value;
  DecodedRecord result;
  const auto reject_whole = [&](Category category, std::string text) {
    framing_ = result.framing;
    rejection_ = {category, std::move(text)};
    visitor->OnRejected(0, rejection_, value, /*whole=*/true);
    result.rejected = 1;
    return result;
  };
  auto [framing, zstd] = PackingOf(record);
  if (framing) result.framing = *framing;

  if (record.value_is_null)
    return reject_whole(Category::kSchema, "the record has no value (a tombstone), which is no event");
  if (value.size() > limits_.message_bytes) {
    return reject_whole(
        Category::kOversize,
        absl::StrCat("the message has ", value.size(), " bytes; limits.message_bytes allows ", limits_.message_bytes));
  }
  std::string_view content = value;
  if (zstd) {
    if (!inflater_.Inflate(value, limits_.inflated_bytes, &content, &rejection_)) {
      if (!framing) result.framing = Framing::kBatch;
      return reject_whole(rejection_.category, std::move(rejection_.text));
    }
    if (!framing) framing = Sniff(content) == Framing::kJson ? Framing::kJson : Framing::kBatch;
    result.framing = *framing;
  }
  if (content.empty()) return reject_whole(Category::kDecode, "the record is empty");

  framing_ = result.framing;
  switch (result.framing) {
    case Framing::kAuto:
    case Framing::kProtobuf: {
      DecodeAhead(content, record.time_us, &of_batch_[0]);
      const bool good = Visit(0, &of_batch_[0], /*alone=*/true, visitor);
      return {result.framing, good ? 1 : 0, good ? 0 : 1};
    }
    case Framing::kBatch:
      break;
    case Framing::kJson:
      break;
  }
  // Of many events: first the packing as a whole, then each event.
  const bool json = result.framing == Framing::kJson;
  if (json) {
    bool too_deep = false;
    std::string error = JsonError(content, limits_.json_depth, &too_deep);
    if (too_deep)
      return reject_whole(Category::kOversize,
                          absl::StrCat("the JSON is nested deeper than limits.json_depth, ", limits_.json_depth));
    if (!error.empty()) return reject_whole(Category::kDecode, absl::StrCat("it is no JSON: ", error));
    DecodeJson(content, record.time_us, visitor, &result);
    return result;
  }
  WireReader reader(content);
  int64_t events = 0;
  while (reader.Next()) {
    if (reader.field() != kBatchEventsField) continue;
    if (reader.type() != WireType::kBytes)
      return reject_whole(Category::kDecode, "field events of EventBatch has another wire type");
    ++events;
  }
  if (!reader.ok())
    return reject_whole(Category::kDecode, absl::StrCat("the bytes are no EventBatch message: ", reader.error()));
  if (events == 0) return reject_whole(Category::kSchema, "the batch holds no event");
  if (events > limits_.batch_events) {
    return reject_whole(
        Category::kOversize,
        absl::StrCat("the batch holds ", events, " events; limits.batch_events allows ", limits_.batch_events));
  }
  DecodeBatch(content, record.time_us, visitor, &result);
  return result;
}

void RecordDecoder::DecodeBatch(std::string_view batch, int64_t record_time_us, EventVisitor* visitor,
                                DecodedRecord* result) {
  WireReader reader(batch);
  for (int32_t index = 0;;) {
    size_t count = 0;
    while (count < kAhead && reader.Next()) {
      if (reader.field() == kBatchEventsField) DecodeAhead(reader.bytes(), record_time_us, &of_batch_[count++]);
    }
    if (count == 0) return;
    TellAhead({of_batch_.data(), count}, visitor);
    for (size_t i = 0; i < count; ++i) {
      ++(Visit(index++, &of_batch_[i], /*alone=*/false, visitor) ? result->events : result->rejected);
    }
  }
}

void RecordDecoder::DecodeJson(std::string_view text, int64_t record_time_us, EventVisitor* visitor,
                               DecodedRecord* result) {
  const bool array = FirstOf(text) == '[';
  const std::vector<std::string_view> elements = array ? SplitJsonArray(text) : std::vector{text};
  const auto reject_whole = [&](Category category, std::string why) {
    rejection_ = {category, std::move(why)};
    visitor->OnRejected(0, rejection_, text, /*whole=*/true);
    ++result->rejected;
  };
  if (elements.empty()) return reject_whole(Category::kSchema, "the array holds no event");
  if (elements.size() > static_cast<size_t>(limits_.batch_events)) {
    return reject_whole(Category::kOversize,
                        absl::StrCat("the array holds ", elements.size(), " events; limits.batch_events allows ",
                                     limits_.batch_events));
  }
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto index = static_cast<int32_t>(i);
    ColumnRefusal refused;
    if (!JsonToEvent(elements[i], limits_.json_depth, &json_wire_, &refused, &rejection_) ||
        !decoder_.Decode(json_wire_, record_time_us, &event_, &rejection_)) {
      visitor->OnRejected(index, rejection_, elements[i], /*whole=*/!array);
      ++result->rejected;
      continue;
    }
    if (refused) event_.refused = refused;  // the first value left out, before the decoder saw the event
    event_.source = elements[i];
    event_.alone = !array;
    visitor->OnEvent(index, event_);
    ++result->events;
  }
}

bool RecordDecoder::Visit(int32_t index, Decoded* decoded, bool alone, EventVisitor* visitor) {
  if (decoded->good) {
    decoded->event.source = decoded->wire;
    decoded->event.alone = alone;
    visitor->OnEvent(index, decoded->event);
  } else {
    visitor->OnRejected(index, decoded->rejection, decoded->wire, alone);
  }
  return decoded->good;
}

uint32_t RulesNumber(const Limits& limits, Framing topic_framing) {
  const std::string rules =
      absl::StrCat(kDecoderVersion, "/", limits.message_bytes, "/", limits.inflated_bytes, "/", limits.batch_events,
                   "/", limits.json_depth, "/", limits.future_us, "/", static_cast<int>(topic_framing));
  return static_cast<uint32_t>(Hash64(rules));
}

}  // namespace runledger::codecs
