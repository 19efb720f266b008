#include "reference/decode.h"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "reference/columns.h"
#include "reference/wire.h"

namespace runledger::reference {
namespace {

std::string HeaderOf(const RawRecord& record, const std::string& name) {
  std::string text;
  for (const auto& [key, value] : record.headers) {
    if (key == name) text = value;
  }
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

bool LooksLikeJson(std::string_view text) { return !text.empty() && (text[0] == '{' || text[0] == '['); }

// All frames one after the other. Empty category: done.
Refusal Inflate(std::string_view in, size_t max_bytes, std::string* out) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  std::string piece(1 << 20, '\0');
  size_t left = 1;
  do {
    ZSTD_outBuffer to{piece.data(), piece.size(), 0};
    left = ZSTD_decompressStream(context.get(), &to, &from);
    if (ZSTD_isError(left)) return {"inflate", "a damaged frame"};
    out->append(piece.data(), to.pos);
    if (out->size() > max_bytes) return {"oversize", "too large when inflated"};
    if (to.pos == 0 && from.pos == from.size && left != 0) return {"inflate", "an unfinished frame"};
  } while (from.pos < from.size || left != 0);
  return {};
}

Decoded WholeRefused(std::string framing, Refusal refusal, std::string_view value) {
  Decoded decoded{std::move(framing), {}};
  decoded.items.push_back({0, std::nullopt, std::move(refusal), std::string(value)});
  return decoded;
}

void AddItem(Decoded* decoded, std::optional<Event> event, Refusal refusal, std::string_view bytes) {
  Item item;
  item.index = static_cast<int32_t>(decoded->items.size());
  if (!event) item.bytes = std::string(bytes);
  item.event = std::move(event);
  item.refusal = std::move(refusal);
  decoded->items.push_back(std::move(item));
}

// The elements of a well-formed JSON array, each without white space around it.
std::vector<std::string_view> ElementsOf(std::string_view text) {
  std::vector<std::string_view> elements;
  int depth = 0;
  bool quoted = false;
  size_t begin = 0;
  const auto add = [&](size_t end) {
    std::string_view element = text.substr(begin, end - begin);
    static constexpr const char* kSpace = " \t\r\n";
    const size_t first = element.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return;
    elements.push_back(element.substr(first, element.find_last_not_of(kSpace) - first + 1));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') {
      if (++depth == 1) begin = i + 1;
    }
    if (depth == 1 && c == ',') {
      add(i);
      begin = i + 1;
    }
    if (c == ']' || c == '}') {
      if (--depth == 0) add(i);
    }
  }
  return elements;
}

Decoded DecodeJson(std::string_view text, std::string_view value, int64_t time_us, const Limits& limits) {
  Decoded decoded{"json", {}};
  const bool good = nlohmann::json::accept(text);
  bool too_deep = good && JsonDepth(text) > limits.json_depth;
  if (!good) {  // whichever fault comes first in the text
    using Event = nlohmann::json::parse_event_t;
    const auto watch = [&](int depth, Event event, nlohmann::json&) {
      const bool opens = event == Event::object_start || event == Event::array_start;
      too_deep = too_deep || (opens && depth >= limits.json_depth);
      return true;
    };
    const nlohmann::json nothing = nlohmann::json::parse(text, watch, /*allow_exceptions=*/false);
  }
  if (too_deep) return WholeRefused("json", {"oversize", "nested too deep"}, value);
  if (!good) return WholeRefused("json", {"decode", "no JSON"}, value);
  const bool array = text[text.find_first_not_of(" \t\r\n")] == '[';
  const std::vector<std::string_view> elements = array ? ElementsOf(text) : std::vector{text};
  if (elements.empty()) return WholeRefused("json", {"schema", "no event"}, value);
  if (elements.size() > limits.batch_events) return WholeRefused("json", {"oversize", "too many events"}, value);
  for (const std::string_view element : elements) {
    Refusal refusal;
    std::optional<Event> event = DecodeJsonEvent(element, time_us, limits, &refusal);
    AddItem(&decoded, std::move(event), refusal, element);
  }
  return decoded;
}

Decoded DecodeBatch(std::string_view batch, std::string_view value, int64_t time_us, const Limits& limits) {
  std::vector<WireField> fields;
  std::vector<std::string_view> events;
  bool readable = ReadFields(batch, &fields);
  for (const WireField& field : fields) {
    if (field.number != 1) continue;
    readable = readable && field.type == 2;
    events.push_back(field.bytes);
  }
  if (!readable) return WholeRefused("batch", {"decode", "no EventBatch"}, value);
  if (events.empty()) return WholeRefused("batch", {"schema", "no event"}, value);
  if (events.size() > limits.batch_events) return WholeRefused("batch", {"oversize", "too many events"}, value);
  Decoded decoded{"batch", {}};
  for (const std::string_view wire : events) {
    Refusal refusal;
    std::optional<Event> event = DecodeEvent(wire, time_us, limits, &refusal);
    AddItem(&decoded, std::move(event), refusal, wire);
  }
  return decoded;
}

}  // namespace

Decoded Decode(const RawRecord& record, const Limits& limits, const std::string& topic_framing) {
  const std::string type = HeaderOf(record, "content-type");
  std::string framing;
  if (Has(type, "json"))
    framing = "json";
  else if (Has(type, "protobuf"))
    framing = Has(type, "eventbatch") ? "batch" : "protobuf";
  else if (topic_framing != "auto")
    framing = topic_framing;

  static constexpr std::string_view kMagic = "\x28\xB5\x2F\xFD";
  const bool magic = record.value.substr(0, 4) == kMagic;
  const bool compressed =
      Has(HeaderOf(record, "content-encoding"), "zstd") || (magic && (framing.empty() || framing == "batch"));
  const std::string unknown = compressed ? "batch" : LooksLikeJson(record.value) ? "json" : "protobuf";
  const std::string named = framing.empty() ? unknown : framing;
  if (!record.has_value) return WholeRefused(named, {"schema", "a tombstone"}, {});
  if (record.value.size() > limits.message_bytes) return WholeRefused(named, {"oversize", "too large"}, record.value);

  std::string inflated;
  std::string_view content = record.value;
  if (compressed) {
    Refusal refusal = Inflate(record.value, limits.inflated_bytes, &inflated);
    if (!refusal.category.empty()) return WholeRefused(named, std::move(refusal), record.value);
    content = inflated;
    if (framing.empty()) framing = LooksLikeJson(content) ? "json" : "batch";
  }
  if (framing.empty()) framing = unknown;
  if (content.empty()) return WholeRefused(framing, {"decode", "empty"}, record.value);
  if (framing == "json") return DecodeJson(content, record.value, record.timestamp_us, limits);
  if (framing == "batch") return DecodeBatch(content, record.value, record.timestamp_us, limits);
  Decoded decoded{"protobuf", {}};
  Refusal refusal;
  std::optional<Event> event = DecodeEvent(content, record.timestamp_us, limits, &refusal);
  AddItem(&decoded, std::move(event), refusal, content);
  return decoded;
}

}  // namespace runledger::reference
