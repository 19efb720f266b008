// A whole Kafka value of any framing. The first byte chooses headers and the topic's framing.
#include <cstdint>
#include <string>

#include "codecs/record_decoder.h"
#include "codecs/row.h"
#include "codecs/utf8.h"
#include "fuzz/check.h"

namespace {

using namespace runledger::codecs;

constexpr FramingHeaders kHeaders[] = {{},
                                       {"application/x-protobuf; messageType=runledger.v1.Event", ""},
                                       {"application/x-protobuf; messageType=runledger.v1.EventBatch", "zstd"},
                                       {"application/x-protobuf; messageType=runledger.v1.EventBatch", ""},
                                       {"application/json", ""},
                                       {"application/json", "zstd"}};
constexpr Framing kFramings[] = {Framing::kAuto, Framing::kProtobuf, Framing::kBatch, Framing::kJson};

class Checker : public EventVisitor {
 public:
  explicit Checker(std::string_view value) : value_(value) {}

  int32_t good = 0;
  int32_t bad = 0;

 private:
  void OnEvent(int32_t index, const Event& event) override {
    FUZZ_CHECK(index == good + bad);
    ++good;
    FUZZ_CHECK(!event.id.empty());
    FUZZ_CHECK(IsUtf8(event.id));
    if (event.body == Body::kRun) FUZZ_CHECK(!event.run.job_name.empty() && !event.run.run_id.empty());
    if (event.alone) FUZZ_CHECK(event.source.size() <= value_.size() || !event.source.empty());
    // Whatever was accepted has a row, or a core.
    static const RowEncoder encoder(SecretNames({"password", "token"}));
    static Row row;
    const ColumnRefusal refusal = encoder.Check(event);
    const std::string refused = refusal ? RefusalText(refusal) : "";
    encoder.Encode({.topic = "t"}, event, refused, &row);
    for (size_t i = 0; i < EventColumns().size(); ++i) {
      const Column& column = EventColumns()[i];
      if (column.required) FUZZ_CHECK(!row[i].null);
      if (row[i].null) continue;
      if (column.type == ColumnType::kString) FUZZ_CHECK(IsUtf8(row[i].text));
      if (column.type == ColumnType::kJson) FUZZ_CHECK(IsJson(row[i].text));
    }
  }
  void OnRejected(int32_t index, const Rejection& rejection, std::string_view bytes, bool whole) override {
    FUZZ_CHECK(index == good + bad);
    FUZZ_CHECK(!rejection.text.empty());
    FUZZ_CHECK(IsUtf8(rejection.text));
    if (whole) FUZZ_CHECK(good + bad == 0 && bytes.size() <= std::max(value_.size(), size_t{1} << 20));
    ++bad;
  }

  std::string_view value_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Limits limits;
  limits.inflated_bytes = 1 << 20;
  limits.batch_events = 1'000;
  const FramingHeaders& headers = kHeaders[data[0] % std::size(kHeaders)];
  const Framing framing = kFramings[data[0] / std::size(kHeaders) % std::size(kFramings)];
  const std::string value(reinterpret_cast<const char*>(data) + 1, size - 1);
  RecordDecoder decoder(limits, framing);
  Checker checker(value);
  const DecodedRecord record =
      decoder.Decode({value, false, headers, data[0] % 2 == 0 ? -1 : 1'768'217'408'000'000}, &checker);
  FUZZ_CHECK(record.events == checker.good);
  FUZZ_CHECK(record.rejected == checker.bad);
  FUZZ_CHECK(checker.good + checker.bad > 0);  // every record leaves a row or a dead letter
  FUZZ_CHECK(record.framing != Framing::kAuto);
  return 0;
}
