#include "tools/generate/bad_input.h"

#include <array>

#include "tools/generate/plan.h"

namespace runledger::tools {
namespace {

constexpr size_t kInflatedBytes = (size_t{64} << 20) + 1;  // one more than limits.inflated_bytes
constexpr int kBatchEvents = 100'001;                      // one more than limits.batch_events
constexpr int kJsonDepth = 65;                             // one more than limits.json_depth
constexpr int64_t kTenYearsUs = int64_t{3650} * 86'400 * 1'000'000;

// An event whose body is a run with these changes.
template <typename Change>
std::string Changed(v1::Event event, Change change) {
  change(&event);
  return WireOf(event);
}

std::string Decision(v1::Event event, const char* action) {
  v1::WorkflowDecision& decision = *event.mutable_decision();
  decision.set_workflow("betting_lines");
  decision.set_action(action);
  return WireOf(event);
}

constexpr BadWireEvent kWireEvents[] = {
    {"truncated_event", "decode",
     [](v1::Event good, Random* random) {
       std::string wire = WireOf(good);
       wire.resize(wire.size() - static_cast<size_t>(random->Between(1, 20)));  // it ends inside its body
       return wire;
     }},
    {"wrong_wire_type", "decode",
     [](v1::Event good, Random*) {
       const auto time = static_cast<uint64_t>(good.event_time_us());
       good.clear_event_time_us();
       return Fixed64Field(v1::Event::kEventTimeUsFieldNumber, time) + WireOf(good);
     }},
    {"run_id_not_utf8", "decode",
     [](v1::Event good, Random*) { return WireOf(good, BytesField(v1::RunEvent::kRunIdFieldNumber, "run\xff\xfe")); }},
    {"no_body", "schema", [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->clear_body(); }); }},
    {"two_bodies", "schema",
     [](v1::Event good, Random*) { return WireOf(good) + BytesField(v1::Event::kCleanupFieldNumber, ""); }},
    {"unknown_status_number", "schema",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) {
         e->mutable_run()->set_status(static_cast<v1::Status>(99));
         e->mutable_run()->clear_source_status();
       });
     }},
    {"event_id_too_long", "oversize",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) { e->set_event_id(std::string(513, 'e')); });
     }},
    {"run_id_too_long", "oversize",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) { e->mutable_run()->set_run_id(std::string(600, 'r')); });
     }},
    {"no_run_id", "semantic",
     [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->mutable_run()->clear_run_id(); }); }},
    {"no_job_name", "semantic",
     [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->mutable_run()->set_job_name(""); }); }},
    {"nul_in_run_id", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) { e->mutable_run()->set_run_id(std::string("a\0b", 3)); });
     }},
    {"no_status", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) {
         e->mutable_run()->clear_status();
         e->mutable_run()->clear_source_status();
         e->mutable_run()->clear_heartbeat();
       });
     }},
    {"unknown_status_word", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) {
         e->mutable_run()->clear_status();
         e->mutable_run()->set_source_status("levitating");
       });
     }},
    {"no_event_time", "semantic",
     [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->clear_event_time_us(); }); }},
    {"event_time_out_of_range", "semantic",
     [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->set_event_time_us(INT64_MIN + 1); }); }},
    {"from_the_future", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) { e->set_event_time_us(e->event_time_us() + kTenYearsUs); });
     }},
    {"negative_attempt", "semantic",
     [](v1::Event good, Random*) { return Changed(good, [](v1::Event* e) { e->mutable_run()->set_attempt(-1); }); }},
    {"foreign_cleanup", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) {
         e->set_event_id("cleanup-1");
         e->mutable_run()->set_status(v1::FAILED);
         e->mutable_run()->set_source_status("stale_running_cleanup");
       });
     }},
    {"unknown_action", "semantic", [](v1::Event good, Random*) { return Decision(good, "PERHAPS"); }},
    {"expected_without_time", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) { e->mutable_expected()->set_workflow("injury_discovery"); });
     }},
    {"foreign_verdict", "semantic",
     [](v1::Event good, Random*) {
       return Changed(good, [](v1::Event* e) {
         e->set_event_id("verdict-1");
         e->mutable_verdict()->set_verdict_subject("injury_discovery");
         e->mutable_verdict()->set_verdict_due_us(1'768'217'408'000'000);
       });
     }},
};

// A JSON event with one member of it changed.
template <typename Change>
Json With(Json json, Change change) {
  change(json);
  return json;
}

constexpr BadJsonEvent kJsonEvents[] = {
    {"json_no_body", "schema", [](Json good) { return With(good, [](Json& j) { j.erase("run"); }); }},
    {"json_body_is_text", "schema", [](Json good) { return With(good, [](Json& j) { j["run"] = "running"; }); }},
    {"json_two_bodies", "schema", [](Json good) { return With(good, [](Json& j) { j["cleanup"] = Json::object(); }); }},
    {"json_sequence_is_text", "schema", [](Json good) { return With(good, [](Json& j) { j["sequence"] = "first"; }); }},
    {"json_no_object", "schema", [](Json) { return Json(42); }},
    {"json_run_id_too_long", "oversize",
     [](Json good) { return With(good, [](Json& j) { j["run"]["run_id"] = std::string(600, 'r'); }); }},
    {"json_no_run_id", "semantic", [](Json good) { return With(good, [](Json& j) { j["run"].erase("run_id"); }); }},
    {"json_unknown_status_word", "semantic",
     [](Json good) {
       return With(good, [](Json& j) {
         j["run"].erase("source_status");
         j["run"]["status"] = "levitating";
       });
     }},
    {"json_time_without_zone", "semantic",
     [](Json good) { return With(good, [](Json& j) { j["event_time_us"] = "2026-01-12T11:30:08"; }); }},
    {"json_no_time", "semantic", [](Json good) { return With(good, [](Json& j) { j.erase("event_time_us"); }); }},
};

// Inflating it takes time, making it too: it is made once.
const std::string& Bomb() {
  static const std::string kBomb = Compress(std::string(kInflatedBytes, '\0'));
  return kBomb;
}

const std::string& CrowdedBatch() {
  static const std::string kBatch = [] {
    std::string batch;
    for (int i = 0; i < kBatchEvents; ++i) batch += BytesField(1, "");
    return Compress(batch);
  }();
  return kBatch;
}

void Packed(GeneratedRecord* record, std::string value, const char* type, bool zstd = false) {
  record->value = std::move(value);
  record->headers = {{kContentType, type}};
  if (zstd) record->headers.emplace_back(kContentEncoding, "zstd");
}

constexpr BadRecord kRecords[] = {
    {"garbage", "decode",
     [](const v1::Event&, Random* random, GeneratedRecord* record) {
       std::string bytes(static_cast<size_t>(random->Between(1, 300)), '\xff');
       Packed(record, std::move(bytes), kProtobufType);
     }},
    {"garbage_without_headers", "decode",
     [](const v1::Event&, Random*, GeneratedRecord* record) { record->value = "\x07this is no event"; }},
    {"empty_value", "decode", [](const v1::Event&, Random*, GeneratedRecord* record) { record->value = ""; }},
    {"tombstone", "schema", [](const v1::Event&, Random*, GeneratedRecord*) {}},
    {"truncated_frame", "inflate",
     [](const v1::Event& good, Random*, GeneratedRecord* record) {
       std::string frame = Compress(BytesField(1, WireOf(good)));
       frame.resize(frame.size() / 2);
       Packed(record, std::move(frame), kBatchType, /*zstd=*/true);
     }},
    {"no_frame", "inflate",
     [](const v1::Event& good, Random*, GeneratedRecord* record) {
       Packed(record, BytesField(1, WireOf(good)), kBatchType, /*zstd=*/true);
     }},
    {"frame_of_garbage", "decode",
     [](const v1::Event&, Random*, GeneratedRecord* record) {
       Packed(record, Compress("\xff\xff\xff\xff this is no batch"), kBatchType, /*zstd=*/true);
     }},
    {"frame_of_nothing", "decode",
     [](const v1::Event&, Random*, GeneratedRecord* record) {
       Packed(record, Compress(""), kBatchType, /*zstd=*/true);
     }},
    {"batch_without_events", "schema",
     [](const v1::Event&, Random*, GeneratedRecord* record) {
       Packed(record, Compress(VarintField(7, 1)), kBatchType, /*zstd=*/true);
     }},
    {"inflates_too_large", "oversize",
     [](const v1::Event&, Random*, GeneratedRecord* record) { Packed(record, Bomb(), kBatchType, /*zstd=*/true); }},
    {"too_many_events", "oversize",
     [](const v1::Event&, Random*, GeneratedRecord* record) {
       Packed(record, CrowdedBatch(), kBatchType, /*zstd=*/true);
     }},
    {"json_syntax", "decode",
     [](const v1::Event& good, Random*, GeneratedRecord* record) {
       std::string text = JsonOf(good, {}).dump();
       text.pop_back();
       Packed(record, std::move(text), kJsonType);
     }},
    {"json_number", "schema",
     [](const v1::Event&, Random*, GeneratedRecord* record) { Packed(record, "42", kJsonType); }},
    {"json_empty_array", "schema",
     [](const v1::Event&, Random*, GeneratedRecord* record) { Packed(record, "[ ]", kJsonType); }},
    {"json_too_deep", "oversize",
     [](const v1::Event&, Random*, GeneratedRecord* record) {
       Packed(record, std::string(kJsonDepth, '[') + std::string(kJsonDepth, ']'), kJsonType);
     }},
};

}  // namespace

std::span<const BadWireEvent> BadWireEvents() { return kWireEvents; }
std::span<const BadJsonEvent> BadJsonEvents() { return kJsonEvents; }
std::span<const BadRecord> BadRecords() { return kRecords; }

}  // namespace runledger::tools
