#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runledger/v1/event.pb.h"
#include "tools/generate/random.h"

// Events as bytes. Internal to the generator.
namespace runledger::tools {

// One field of a protobuf message.
std::string BytesField(int number, std::string_view bytes);
std::string VarintField(int number, uint64_t value);
std::string Fixed64Field(int number, uint64_t value);

// The event as protobuf; `more_body` are further fields of its body, which no generated class would write.
std::string WireOf(const v1::Event& event, std::string_view more_body = {});

// One zstd frame.
std::string Compress(std::string_view bytes);

// How a producer writes JSON. Everything that the wire format allows is written by somebody.
struct JsonStyle {
  bool camel_case = false;     // eventTimeUs
  bool times_as_text = false;  // RFC 3339
  bool long_numbers_as_text = false;
  bool nested_json = true;  // JSON columns as JSON, not as JSON in a string
};
JsonStyle DrawJsonStyle(Random* random);

using Json = nlohmann::ordered_json;
Json JsonOf(const v1::Event& event, const JsonStyle& style);

// "2026-01-12T11:30:08.123456Z".
std::string TimeText(int64_t time_us);

// The event with a value that no column can hold, which refuses its row and nothing else. `*what` names it.
std::string SpoiledWire(v1::Event event, Random* random, std::string* what);
Json SpoiledJson(const v1::Event& event, const JsonStyle& style, Random* random, std::string* what);

}  // namespace runledger::tools
