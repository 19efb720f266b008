// Values and tables that have stopped loads into BigQuery before: whole numbers where a time is wanted, empty arrays,
// dates as text, columns that the table lacks. From the event as a producer writes it to the row that the service has.

#include "codecs/event_decoder.h"
#include "codecs/json_event.h"
#include "codecs/row.h"
#include "exporters/bigquery/bigquery_testing.h"
#include "exporters/bigquery_rest/bigquery_schema.h"
#include "runledger/v1/event.pb.h"

namespace runledger::exporters {
namespace {

using fakes::BigQueryFaults;
using testing::HasSubstr;
using testing::IsEmpty;
using Values = std::map<std::string, std::string>;

constexpr int64_t kNoonUs = 1'768'217'408'000'000;  // 2026-01-12T11:30:08Z

// A good event with these values: its bytes, and why its row keeps only the core, if it does.
struct Sent {
  std::string event;
  std::string refused;
};

Sent Checked(std::string wire, const codecs::ColumnRefusal& found) {
  Sent sent{std::move(wire), found ? codecs::RefusalText(found) : ""};
  codecs::Event event;
  codecs::Rejection rejection;
  EXPECT_TRUE(codecs::EventDecoder(codecs::Limits{}).Decode(sent.event, -1, &event, &rejection)) << rejection.text;
  const codecs::ColumnRefusal refusal = codecs::RowEncoder(codecs::SecretNames{}).Check(event);
  if (refusal && sent.refused.empty()) sent.refused = codecs::RefusalText(refusal);
  return sent;
}

Sent Json(const std::string& members) {
  const std::string text =
      R"({"event_id":"e","event_time":"2026-01-12T11:30:08Z","run":{"job_name":"job","run_id":"r",)"
      R"("status":"success",)" +
      members + "}}";
  std::string wire;
  codecs::ColumnRefusal refusal;
  codecs::Rejection rejection;
  EXPECT_TRUE(codecs::JsonToEvent(text, 64, &wire, &refusal, &rejection)) << members << ": " << rejection.text;
  return Checked(std::move(wire), refusal);
}

template <typename Change>
Sent Protobuf(const Change& change) {
  v1::Event event;
  event.set_event_id("e");
  event.set_event_time_us(kNoonUs);
  event.mutable_run()->set_job_name("job");
  event.mutable_run()->set_run_id("r");
  event.mutable_run()->set_status(v1::SUCCESS);
  change(event.mutable_run());
  return Checked(event.SerializeAsString(), {});
}

class AwkwardValues : public BigQueryTest {
 protected:
  AwkwardValues()
      : BigQueryTest({.keep_columns = {"status", "started_at", "completed_at", "data_date", "errors", "warnings",
                                       "missing_dependencies", "opts", "refused"}}) {}
  // Writes them in one request among rows that are in order; their values, in that order. None of them is refused by
  // the service.
  std::vector<Values> Write(const std::vector<Sent>& sent) {
    const std::string plain = Json(R"("phase":"p")").event;
    std::vector<std::string> events;
    std::map<int64_t, std::string> refused;
    for (const Sent& one : sent) {
      if (!one.refused.empty()) refused[static_cast<int64_t>(events.size())] = one.refused;
      events.push_back(one.event);
      events.push_back(plain);
    }
    Owner owner(partition_, events);
    owner.refused = refused;
    const auto sink = NewSink(&owner);
    EXPECT_TRUE(owner.Open(sink.get(), 1).status.ok());
    const ingest::SubmitResult result = owner.WriteOnce(events.size());
    EXPECT_EQ(result.kind, ingest::SubmitResult::Kind::kDone) << result.status;
    const auto rows = fake_.rows();
    EXPECT_EQ(rows.size(), events.size());
    std::vector<Values> values;
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].values.at("status"), "success") << "whatever else is in it";
      if (i % 2 == 0) {
        values.push_back(rows[i].values);
      } else {
        EXPECT_EQ(rows[i].refused, "");
      }
    }
    EXPECT_THAT(fake_.violations(), IsEmpty());
    return values;
  }
  BigQueryPlace Place() const {
    BigQueryPlace place;
    place.project = "test-project";
    place.dataset = "runledger";
    place.endpoint = rest_->url();
    return place;
  }
};

TEST_F(AwkwardValues, AnIntegerSentToATimestampColumn) {
  const std::string noon = std::to_string(kNoonUs);
  const std::vector<Values> rows = Write({
      Json(R"("started_at":)" + noon),
      Json(R"("started_at":")" + noon + "\""),
      Json(R"("started_at":"2026-01-12T11:30:08Z")"),
      Protobuf([](v1::RunEvent* run) { run->set_started_at_us(kNoonUs); }),
      Json(R"("started_at":)" + noon + "000"),  // nanoseconds
      Json(R"("completed_at":)" + noon + "000"),
      Protobuf([](v1::RunEvent* run) { run->set_started_at_us(kNoonUs * 1'000); }),
      Protobuf([](v1::RunEvent* run) { run->set_completed_at_us(kNoonUs * 1'000); }),
      Json(R"("started_at":1768217408.5)"),  // seconds, as Python's time.time() has them
      Json(R"("started_at":true)"),
  });
  ASSERT_EQ(rows.size(), 10u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(rows[i].at("started_at"), noon) << i;
    EXPECT_FALSE(rows[i].contains("refused")) << i;
  }
  for (size_t i = 4; i < rows.size(); ++i) {
    ASSERT_TRUE(rows[i].contains("refused")) << i;
    EXPECT_THAT(rows[i].at("refused"), testing::StartsWith(i == 5 || i == 7 ? "completed_at: " : "started_at: ")) << i;
    EXPECT_FALSE(rows[i].contains("started_at")) << i;
    EXPECT_FALSE(rows[i].contains("completed_at")) << i;
  }
}

TEST_F(AwkwardValues, ATableWithAnIntegerForATimestampStopsTheStartByName) {
  BigQueryFaults faults;
  faults.other_types = {{"started_at", "INT64"}};
  fake_.SetFaults(faults);
  const absl::Status start = CheckBigQueryTable(Place(), nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(start)) << start;
  EXPECT_EQ(
      start.message(),
      "table `test-project.runledger.events`, column started_at: wanted TIMESTAMP NULLABLE, found INT64 NULLABLE");
  Owner owner(partition_, Events(10));
  const auto sink = NewSink(&owner);
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  EXPECT_THAT(std::string(opened.status.message()), HasSubstr("started_at is INT64 and has to be TIMESTAMP"));
  EXPECT_EQ(fake_.row_count(), 0);
}

TEST_F(AwkwardValues, AnEmptyArrayIsAnEmptyArrayAndNotNull) {
  const std::vector<Values> rows = Write({
      Json(R"("errors":[],"warnings":[ ],"missing_dependencies":[],"opts":{})"),
      Json(R"("errors":"[]")"),
      Protobuf([](v1::RunEvent* run) {
        run->set_errors("[]");
        run->set_missing_dependencies("[]");
      }),
      Json(R"("errors":null)"),
      Protobuf([](v1::RunEvent* run) { run->set_opts(""); }),
  });
  ASSERT_EQ(rows.size(), 5u);
  const auto has = [](const char* column, const char* value) {
    return testing::Contains(testing::Pair(column, value));
  };
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(rows[i], has("errors", "[]")) << i;
    EXPECT_FALSE(rows[i].contains("refused")) << i;
  }
  for (const char* column : {"warnings", "missing_dependencies"}) EXPECT_THAT(rows[0], has(column, "[]"));
  EXPECT_THAT(rows[0], has("opts", "{}"));
  EXPECT_THAT(rows[2], has("missing_dependencies", "[]"));
  EXPECT_FALSE(rows[3].contains("errors")) << "null is NULL";
  EXPECT_FALSE(rows[3].contains("refused"));
  EXPECT_THAT(rows[4], has("refused", "opts: is not JSON")) << "nothing at all is no JSON";
}

TEST_F(AwkwardValues, ADateGivenAsText) {
  const std::vector<Values> rows = Write({
      Json(R"("data_date":"2026-01-12")"),
      Json(R"("data_date":20465)"),
      Json(R"("data_date":"20465")"),
      Protobuf([](v1::RunEvent* run) { run->set_data_date(20'465); }),
      Json(R"("data_date":"12/01/2026")"),
      Json(R"("data_date":"2026-02-30")"),
      Json(R"("data_date":"2026-01-12T00:00:00Z")"),
      Json(R"("data_date":20260112)"),  // a date without dashes is a day in the year 57,440
      Protobuf([](v1::RunEvent* run) { run->set_data_date(20'260'112); }),
  });
  ASSERT_EQ(rows.size(), 9u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(rows[i].at("data_date"), "20465") << i;
    EXPECT_FALSE(rows[i].contains("refused")) << i;
  }
  for (size_t i = 4; i < rows.size(); ++i) {
    ASSERT_TRUE(rows[i].contains("refused")) << i;
    EXPECT_THAT(rows[i].at("refused"), testing::StartsWith("data_date: ")) << i;
    EXPECT_FALSE(rows[i].contains("data_date")) << i;
  }
}

TEST_F(AwkwardValues, TwelveColumnsThatTheTableLacksAreAllNamed) {
  BigQueryFaults faults;
  faults.missing_columns = {"refused",    "phase",        "duration_seconds", "errors",
                            "error_type", "opts",         "trigger_source",   "alert_sent",
                            "batch_id",   "completed_at", "subject",          "missing_files"};
  ASSERT_EQ(faults.missing_columns.size(), 12u);
  fake_.SetFaults(faults);
  const absl::Status start = CheckBigQueryTable(Place(), nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(start)) << start;
  Owner owner(partition_, Events(10));
  const auto sink = NewSink(&owner);
  const absl::Status opened = owner.Open(sink.get(), 1).status;
  EXPECT_TRUE(absl::IsUnavailable(opened)) << opened << ": it goes on when somebody has added them";
  for (const absl::Status& status : {start, opened}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr("schema apply"));
    for (const std::string& column : faults.missing_columns)
      EXPECT_THAT(std::string(status.message()), testing::ContainsRegex("[ ,]" + column + "[ ,;]"));
  }
  EXPECT_EQ(fake_.row_count(), 0);
  fake_.SetFaults({});
  EXPECT_TRUE(CheckBigQueryTable(Place(), nullptr).ok());
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(10, 10), "");
  ExpectEachOnce(10, {});
}

}  // namespace
}  // namespace runledger::exporters
