// Files of the wire formats as they were once written, decoded today. Each tests/golden/NAME.bin is one Kafka value;
// NAME.txt says what it was sent as and what it must be read as. RUNLEDGER_REWRITE_GOLDEN=1 writes both anew: look at
// the difference before committing it, because events like these lie in logs for years.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "codecs/civil_time.h"
#include "codecs/record_decoder.h"
#include "codecs/row.h"
#include "codecs/wire.h"
#include "codecs/wire_events.h"

namespace runledger::codecs {
namespace {

constexpr char kGolden[] = RUNLEDGER_TESTS_DIR "/golden/";

struct GoldenFile {
  std::string name;
  FramingHeaders headers;
  std::string value;
};

constexpr FramingHeaders kEvent = {"application/x-protobuf; messageType=runledger.v1.Event", ""};
constexpr FramingHeaders kBatch = {"application/x-protobuf; messageType=runledger.v1.EventBatch", "zstd"};
constexpr FramingHeaders kJson = {"application/json", ""};
constexpr FramingHeaders kNone = {};

// Every field at its largest, its smallest or zero.
v1::Event Extreme(bool largest) {
  v1::Event event = MakeRun(largest ? v1::ABORTED : v1::RUNNING);
  event.set_event_id(largest ? std::string(512, 'e') : "e");
  event.set_event_time_us(largest ? kMaxTimestampUs : kMinTimestampUs);
  event.set_sequence(largest ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min());
  event.set_backfill(largest);
  v1::RunEvent& run = *event.mutable_run();
  run.set_job_name(largest ? std::string(512, 'j') : "j");
  run.set_run_id(largest ? std::string(512, 'r') : "r");
  run.set_kind(largest ? v1::PREDICTION : v1::KIND_UNSPECIFIED);
  run.set_source_status(largest ? std::string(128, 's') : "");
  run.set_phase(largest ? std::string(512, 'p') : "");
  run.set_data_date(largest ? kMaxDate : kMinDate);
  run.set_started_at_us(largest ? kMaxTimestampUs : kMinTimestampUs);
  run.set_completed_at_us(largest ? kMaxTimestampUs : kMinTimestampUs);
  run.set_duration_seconds(largest ? std::numeric_limits<double>::max() : -0.0);
  run.set_heartbeat(largest);
  run.set_attempt(largest ? std::numeric_limits<int32_t>::max() : 0);
  run.set_records_processed(largest ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min());
  run.set_records_created(0);
  run.set_dry_run(largest);
  run.set_summary(largest ? "{\"a\":[" + std::string(1'000, ' ') + "]}" : "null");
  run.set_errors(largest ? R"([{"error_type":"E","error_message":"é"}])" : "");
  return event;
}

v1::Event Usual(int number) {
  v1::Event event = MakeRun(v1::SUCCESS);
  event.set_event_id("usual-" + std::to_string(number));
  event.set_sequence(number);
  v1::RunEvent& run = *event.mutable_run();
  run.set_phase("phase_4_precompute");
  run.set_data_date(20'465);
  run.set_started_at_us(kTestTimeUs - 90'000'000);
  run.set_duration_seconds(90);
  run.set_records_processed(199);
  run.set_opts(R"({"season":2026,"nested":{"api_key":"secret","keep":true}})");
  return event;
}

std::vector<GoldenFile> MakeFiles() {
  v1::Event closed = MakeRun(v1::FAILED);
  closed.mutable_run()->set_source_status(std::string(kClosedByRunledger));
  closed.set_event_id(OwnEventId(kClosedByRunledger, RunSubject("player_daily_cache", "run-1", 0), kTestTimeUs));
  v1::Event verdict;
  verdict.set_event_time_us(kTestTimeUs);
  verdict.set_event_id(OwnEventId("verdict", "betting_lines", kTestTimeUs));
  verdict.mutable_verdict()->set_verdict_subject("betting_lines");
  verdict.mutable_verdict()->set_verdict_due_us(kTestTimeUs);
  verdict.mutable_verdict()->set_verdict("missing");
  v1::Event no_id = Usual(1);
  no_id.clear_event_id();
  v1::Event bad_column = Usual(2);
  bad_column.mutable_run()->set_duration_seconds(std::numeric_limits<double>::infinity());
  v1::Event bad_event = Usual(3);
  bad_event.mutable_run()->clear_run_id();
  v1::Event word = Usual(4);
  word.mutable_run()->clear_status();
  word.mutable_run()->set_source_status("Crashed");

  v1::EventBatch batch;
  for (const v1::Event& event :
       {Usual(1), bad_column, bad_event, MakeDecision(), MakeExpected(), MakeCleanup(), verdict})
    *batch.add_events() = event;
  std::string later_version = Wire(Usual(5));  // fields that a later version may add
  WireWriter(&later_version).Bytes(200, "new");
  WireWriter(&later_version).Float64(201, 1);

  return {
      {"event_usual", kEvent, Wire(Usual(1))},
      {"event_smallest", kEvent, Wire(Extreme(false))},
      {"event_largest", kEvent, Wire(Extreme(true))},
      {"event_without_id", kEvent, Wire(no_id)},
      {"event_word_for_status", kEvent, Wire(word)},
      {"event_closed_by_runledger", kEvent, Wire(closed)},
      {"event_verdict", kEvent, Wire(verdict)},
      {"event_of_a_later_version", kNone, later_version},
      {"event_bad_column", kEvent, Wire(bad_column)},
      {"event_bad", kEvent, Wire(bad_event)},
      {"event_cut_short", kEvent, Wire(Usual(1)).substr(0, 40)},
      {"batch", kBatch, Deflate(batch.SerializeAsString())},
      {"batch_sniffed", kNone, Deflate(batch.SerializeAsString())},
      {"batch_two_frames", kBatch,
       Deflate(batch.SerializeAsString().substr(0, 100)) + Deflate(batch.SerializeAsString().substr(100))},
      {"batch_cut_short", kBatch, Deflate(batch.SerializeAsString()).substr(0, 60)},
      {"batch_not_compressed", {kBatch.content_type, ""}, batch.SerializeAsString()},
      {"json", kJson,
       R"({"event_id":"j-1","event_time":"2026-01-12T06:30:08-05:00","run":{"job_name":"player_daily_cache",)"
       R"("run_id":"run-1","status":"Completed","data_date":"2026-01-12","duration_seconds":1.5,"errors":"none",)"
       R"("season_year":2026,"opts":{"PASSWORD":"x","team":["a"]}}})"},
      {"json_camel_case", kJson,
       R"({"eventId":"j-2","eventTimeUs":"1768217408000000","run":{"jobName":"j","runId":"r","status":"FAILED",)"
       R"("startedAtUs":"1768217400000000","recordsProcessed":"9223372036854775807","kind":"SCRAPER"}})"},
      {"json_array", kNone,
       R"([{"event_time_us":1,"decision":{"workflow":"w","action":"ABORT"}}, {"event_time_us":1,"run":{}},)"
       R"( {"event_id":"x","event_time_us":1,"run":{"job_name":"j","run_id":"r","status":"running","data_date":"soon"}}])"},
      {"json_bad", kJson, R"({"event_time_us":1,"run":)"},
      {"empty", kNone, ""},
  };
}

// What a value is read as, in words.
class Dumper : public EventVisitor {
 public:
  std::string text;

 private:
  void OnEvent(int32_t index, const Event& event) override {
    text += "event " + std::to_string(index) + (event.alone ? " alone" : "") + "\n";
    const RowEncoder encoder(SecretNames({"password", "api_key"}));
    const ColumnRefusal refusal = encoder.Check(event);
    const std::string refused = refusal ? RefusalText(refusal) : "";
    Row row;
    encoder.Encode({.topic = "t", .log_time_us = kTestTimeUs, .ingested_at_us = kTestTimeUs}, event, refused, &row);
    // What the pipeline adds is the same for all.
    for (size_t i = EventColumnIndex("event_id"); i < EventColumns().size(); ++i) {
      if (!row[i].null)
        text += "  " + std::string(EventColumns()[i].name) + " = " + Text(EventColumns()[i].type, row[i]) + "\n";
    }
  }
  void OnRejected(int32_t index, const Rejection& rejection, std::string_view bytes, bool whole) override {
    text += "rejected " + std::to_string(index) + (whole ? " whole" : "") + ", " + std::to_string(bytes.size()) +
            " bytes\n  " + std::string(CategoryName(rejection.category)) + ": " + rejection.text + "\n";
  }

  static std::string Text(ColumnType type, const Value& value) {
    switch (type) {
      case ColumnType::kString:
      case ColumnType::kJson:
        return Shortened(value.text);
      case ColumnType::kInt64:
        return std::to_string(value.integer);
      case ColumnType::kBool:
        return value.integer != 0 ? "true" : "false";
      case ColumnType::kTimestamp:
        return FormatRfc3339(value.integer);
      case ColumnType::kDate:
        return FormatDate(static_cast<int32_t>(value.integer));
      case ColumnType::kFloat64:
        break;
    }
    std::ostringstream out;
    out.precision(17);
    out << value.number;
    return out.str();
  }
  static std::string Shortened(std::string_view text) {
    if (text.size() <= 100) return '"' + std::string(text) + '"';
    return '"' + std::string(text.substr(0, 20)) + "...\" (" + std::to_string(text.size()) + " bytes)";
  }
};

std::string Dump(const GoldenFile& file) {
  RecordDecoder decoder(Limits{}, Framing::kAuto);
  Dumper dumper;
  const DecodedRecord record = decoder.Decode({.value = file.value, .headers = file.headers}, &dumper);
  return "content-type: " + std::string(file.headers.content_type) +
         "\ncontent-encoding: " + std::string(file.headers.content_encoding) +
         "\nframing: " + std::string(FramingName(record.framing)) + ", " + std::to_string(record.events) + " good, " +
         std::to_string(record.rejected) + " rejected\n" + dumper.text;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_TRUE(in.good()) << path;
  return text.str();
}

TEST(Golden, FilesAreReadAsTheyWereOnce) {
  const bool rewrite = std::getenv("RUNLEDGER_REWRITE_GOLDEN") != nullptr;
  for (GoldenFile file : MakeFiles()) {
    SCOPED_TRACE(file.name);
    const std::string path = kGolden + file.name;
    if (rewrite) {
      std::ofstream(path + ".bin", std::ios::binary) << file.value;
      std::ofstream(path + ".txt", std::ios::binary) << Dump(file);
      continue;
    }
    file.value = ReadFile(path + ".bin");
    EXPECT_EQ(Dump(file), ReadFile(path + ".txt"));
  }
}

// What is not compressed is a function of the event alone, so today's writer writes what the file holds.
TEST(Golden, TodaysWriterWritesTheSameBytes) {
  for (const GoldenFile& file : MakeFiles()) {
    if (IsZstd(file.value)) continue;
    EXPECT_TRUE(file.value == ReadFile(kGolden + file.name + ".bin")) << file.name;
  }
}

TEST(Golden, EveryFramingAndBodyIsThere) {
  std::set<std::string> framings;
  for (const GoldenFile& file : MakeFiles()) {
    const std::string dump = ReadFile(kGolden + file.name + ".txt");
    const size_t at = dump.find("framing: ") + 9;
    framings.insert(dump.substr(at, dump.find(',', at) - at));
  }
  EXPECT_EQ(framings, (std::set<std::string>{"protobuf", "batch", "json"}));
}

}  // namespace
}  // namespace runledger::codecs
