// JSON: the event mapping, and the helpers that touch JSON columns, beside nlohmann's tree.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "codecs/event_decoder.h"
#include "codecs/json.h"
#include "codecs/json_event.h"
#include "codecs/utf8.h"
#include "fuzz/check.h"

namespace {

using namespace runledger::codecs;

void CheckHelpers(const std::string& text) {
  const nlohmann::json tree = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  FUZZ_CHECK(!tree.is_discarded());
  static const SecretNames secrets({"password", "api_key"});
  const std::string removed = RemoveSecrets(text, secrets);
  FUZZ_CHECK(IsJson(removed));
  FUZZ_CHECK(RemoveSecrets(removed, secrets) == removed);
  if (tree.is_array()) FUZZ_CHECK(SplitJsonArray(text).size() == tree.size());
}

void CheckEvent(const std::string& text) {
  std::string wire;
  ColumnRefusal refused;
  Rejection rejection;
  if (!JsonToEvent(text, 64, &wire, &refused, &rejection)) {
    FUZZ_CHECK(!rejection.text.empty());
    return;
  }
  // The mapping writes what the decoder can read; whether it makes sense is the decoder's to judge.
  Event event;
  if (!EventDecoder(Limits{}).Decode(wire, -1, &event, &rejection)) {
    FUZZ_CHECK(rejection.category != Category::kDecode);
    return;
  }
  FUZZ_CHECK(!event.id.empty());
  // The same text again, with white space around it, is the same event.
  const std::string padded = " " + text + "\n";
  std::string again_wire;
  ColumnRefusal again_refused;
  Event again;
  FUZZ_CHECK(JsonToEvent(padded, 64, &again_wire, &again_refused, &rejection));
  FUZZ_CHECK(EventDecoder(Limits{}).Decode(again_wire, -1, &again, &rejection));
  FUZZ_CHECK(again_refused.column == refused.column);
  FUZZ_CHECK(again.body == event.body && again.time_us == event.time_us && again.sequence == event.sequence);
  FUZZ_CHECK(again.body_wire == event.body_wire);
  if (event.body == Body::kRun) {
    FUZZ_CHECK(again.run.job_name == event.run.job_name && again.run.run_id == event.run.run_id &&
               again.run.status == event.run.status);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (IsUtf8(text)) {
    const std::string wrapped = WrapErrors(text);
    // A blank text is no error, and nothing is left of it.
    FUZZ_CHECK(wrapped.empty() || IsJson(wrapped, 1'000'000) || !IsJson(text, 1'000'000));
    FirstOfErrors(wrapped);
  }
  if (!IsJson(text)) return 0;
  CheckHelpers(text);
  if (IsJson(text, 64)) CheckEvent(text);
  return 0;
}
