#pragma once

#include <span>
#include <string>

#include "tools/generate/packing.h"
#include "tools/generate/random.h"
#include "tools/generate/sink.h"

// Input that must be refused, one fault at a time, each with the category it belongs to. Internal to the generator.
namespace runledger::tools {

// An event within whatever packing. `good` is a run event, whole and well-formed.
struct BadWireEvent {
  const char* name;
  const char* category;
  std::string (*make)(v1::Event good, Random* random);
};
std::span<const BadWireEvent> BadWireEvents();

struct BadJsonEvent {
  const char* name;
  const char* category;
  Json (*make)(Json good);  // as JsonOf writes it: snake_case, times as numbers
};
std::span<const BadJsonEvent> BadJsonEvents();

// A record of which nothing can be used. `good` may be packed in it.
struct BadRecord {
  const char* name;
  const char* category;
  void (*make)(const v1::Event& good, Random* random, GeneratedRecord* record);
};
std::span<const BadRecord> BadRecords();

inline constexpr const char* kContentType = "content-type";
inline constexpr const char* kContentEncoding = "content-encoding";
inline constexpr const char* kProtobufType = "application/x-protobuf; messageType=runledger.v1.Event";
inline constexpr const char* kBatchType = "application/x-protobuf; messageType=runledger.v1.EventBatch";
inline constexpr const char* kJsonType = "application/json";

}  // namespace runledger::tools
