// One protobuf Event, beside protobuf's own parser: what that calls malformed we refuse too, and of what we accept both
// read the same. We are stricter on purpose in these: a second body, a known field of another wire type, groups, a
// varint of more than 64 bits, a status number beyond int32.
#include <google/protobuf/message.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "codecs/event_decoder.h"
#include "fuzz/check.h"
#include "fuzz/lenient_messages.h"

namespace {

using namespace runledger::codecs;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A field of a message by its name.
class Fields {
 public:
  explicit Fields(const Message& message) : message_(message) {}

  bool Has(const char* name) const { return message_.GetReflection()->HasField(message_, Find(name)); }
  std::string Text(const char* name) const { return message_.GetReflection()->GetString(message_, Find(name)); }
  int64_t Int64(const char* name) const { return message_.GetReflection()->GetInt64(message_, Find(name)); }
  int32_t Int32(const char* name) const { return message_.GetReflection()->GetInt32(message_, Find(name)); }
  bool Bool(const char* name) const { return message_.GetReflection()->GetBool(message_, Find(name)); }
  double Double(const char* name) const { return message_.GetReflection()->GetDouble(message_, Find(name)); }
  int Enum(const char* name) const { return message_.GetReflection()->GetEnumValue(message_, Find(name)); }
  const Message& Child(const char* name) const { return message_.GetReflection()->GetMessage(message_, Find(name)); }

 private:
  const FieldDescriptor* Find(const char* name) const {
    const FieldDescriptor* field = message_.GetDescriptor()->FindFieldByName(name);
    FUZZ_CHECK(field != nullptr);
    return field;
  }
  const Message& message_;
};

void CompareRun(const Event& event, const Fields& run) {
  const RunFields& ours = event.run;
  FUZZ_CHECK(ours.job_name == run.Text("job_name"));
  FUZZ_CHECK(ours.run_id == run.Text("run_id"));
  FUZZ_CHECK(ours.attempt == run.Int32("attempt"));
  FUZZ_CHECK(ours.heartbeat == run.Bool("heartbeat"));
  const int status = run.Enum("status");
  if (status >= 1 && status <= 7) FUZZ_CHECK(static_cast<int>(ours.status) == status);
  const int kind = run.Enum("kind");
  if (kind >= 1 && kind <= 3 && event.refused.column != "kind") FUZZ_CHECK(static_cast<int>(ours.kind) == kind);
  // A bad value is left out; what is not left out is the same.
  if (!ours.phase.empty()) FUZZ_CHECK(ours.phase == run.Text("phase"));
  if (!ours.workflow.empty()) FUZZ_CHECK(ours.workflow == run.Text("workflow"));
  if (!ours.source_status.empty()) FUZZ_CHECK(ours.source_status == run.Text("source_status"));
  if (ours.data_date) FUZZ_CHECK(*ours.data_date == run.Int32("data_date"));
  if (ours.started_at_us) FUZZ_CHECK(*ours.started_at_us == run.Int64("started_at_us"));
  if (ours.duration_seconds) FUZZ_CHECK(*ours.duration_seconds == run.Double("duration_seconds"));
  if (!event.refused) {
    FUZZ_CHECK(ours.phase == run.Text("phase"));
    FUZZ_CHECK(ours.workflow == run.Text("workflow"));
    FUZZ_CHECK(ours.data_date.has_value() == run.Has("data_date"));
    FUZZ_CHECK(ours.started_at_us.has_value() == run.Has("started_at_us"));
    FUZZ_CHECK(ours.duration_seconds.has_value() == run.Has("duration_seconds"));
  }
}

void CompareOther(const Event& event, const Fields& body) {
  const OtherFields& ours = event.other;
  switch (event.body) {
    case Body::kDecision:
      FUZZ_CHECK(ours.workflow == body.Text("workflow"));
      FUZZ_CHECK(ours.action == body.Text("action"));
      return;
    case Body::kExpected:
      FUZZ_CHECK(ours.workflow == body.Text("workflow"));
      FUZZ_CHECK(ours.job_name == body.Text("job_name"));
      FUZZ_CHECK(ours.due_us == body.Int64("expected_run_time_us"));
      return;
    case Body::kVerdict:
      FUZZ_CHECK(ours.verdict_subject == body.Text("verdict_subject"));
      FUZZ_CHECK(ours.due_us == body.Int64("verdict_due_us"));
      return;
    case Body::kRun:
    case Body::kCleanup:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wire(reinterpret_cast<const char*>(data), size);
  static const EventDecoder decoder{Limits{}};
  Event event;
  Rejection rejection;
  const bool accepted = decoder.Decode(wire, -1, &event, &rejection);
  if (!accepted) {
    FUZZ_CHECK(!rejection.text.empty());
    return 0;
  }
  const std::unique_ptr<Message> parsed = runledger::fuzz::ParseLenient(wire);
  FUZZ_CHECK(parsed != nullptr);
  const Fields fields(*parsed);
  if (fields.Text("event_id").empty()) {
    FUZZ_CHECK(event.id.size() == 32);
  } else {
    FUZZ_CHECK(event.id == fields.Text("event_id"));
  }
  FUZZ_CHECK(event.time_us == fields.Int64("event_time_us"));
  FUZZ_CHECK(event.sequence == fields.Int64("sequence"));
  FUZZ_CHECK(event.backfill == fields.Bool("backfill"));
  const std::string body(BodyName(event.body));
  FUZZ_CHECK(fields.Has(body.c_str()));
  const Fields body_fields(fields.Child(body.c_str()));
  if (event.body == Body::kRun) {
    CompareRun(event, body_fields);
  } else {
    CompareOther(event, body_fields);
  }
  return 0;
}
