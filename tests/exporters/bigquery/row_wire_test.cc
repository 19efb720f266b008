#include "exporters/bigquery/row_wire.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include "codecs/event_decoder.h"
#include "codecs/events_table.h"
#include "google/cloud/bigquery/storage/v1/storage.pb.h"
#include "runledger/v1/event.pb.h"

namespace runledger::exporters {
namespace {

namespace bq = google::cloud::bigquery::storage::v1;
using google::protobuf::FieldDescriptor;

// Reads rows as anybody may who has only the descriptor: with protobuf's own dynamic messages.
class RowWireTest : public testing::Test {
 protected:
  RowWireTest() {
    google::protobuf::FileDescriptorProto file;
    file.set_name("row.proto");
    file.set_syntax("proto2");
    EXPECT_TRUE(file.add_message_type()->ParseFromString(RowDescriptor()));
    descriptor_ = pool_.BuildFile(file)->message_type(0);
  }
  std::unique_ptr<google::protobuf::Message> Read(const std::string& wire) {
    std::unique_ptr<google::protobuf::Message> row(factory_.GetPrototype(descriptor_)->New());
    EXPECT_TRUE(row->ParseFromString(wire));
    EXPECT_EQ(row->GetReflection()->GetUnknownFields(*row).field_count(), 0);
    return row;
  }

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  const google::protobuf::Descriptor* descriptor_;
};

TEST_F(RowWireTest, EveryDeclaredColumnIsAFieldAndNothingElse) {
  ASSERT_EQ(static_cast<size_t>(descriptor_->field_count()), codecs::EventColumns().size());
  for (const codecs::Column& column : codecs::EventColumns()) {
    const FieldDescriptor* field = descriptor_->FindFieldByName(std::string(column.name));
    ASSERT_NE(field, nullptr) << column.name;
    EXPECT_FALSE(field->is_required());
  }
}

TEST_F(RowWireTest, RowsComeOutAsTheyWentIn) {
  v1::Event event;
  event.set_event_id("e");
  event.set_event_time_us(-5);
  v1::RunEvent& run = *event.mutable_run();
  run.set_job_name("job");
  run.set_run_id("run");
  run.set_status(v1::RUNNING);
  run.set_data_date(-719'162);
  run.set_records_processed(0);
  run.set_alert_sent(false);
  run.set_duration_seconds(0.25);
  const codecs::EventDecoder decoder{codecs::Limits{}};
  const codecs::RowEncoder encoder{codecs::SecretNames{}};
  WireBuffer rows;
  std::vector<size_t> lengths = {0, 1, 200, 20'000, 60'000};  // sizes of rows that need 2 and 3 bytes for their length
  for (const size_t length : lengths) {
    run.set_skip_reason(std::string(length, 'y'));
    const std::string wire = event.SerializeAsString();
    codecs::Event decoded;
    codecs::Rejection rejection;
    ASSERT_TRUE(decoder.Decode(wire, -1, &decoded, &rejection));
    codecs::Row row;
    encoder.Encode(
        {.topic = "t", .partition = 3, .offset = int64_t{1} << 40, .log_time_us = 7, .ingested_at_us = 86'400'000'000},
        decoded, "", &row);
    AppendRow(row, &rows);
  }
  bq::AppendRowsRequest request;
  ASSERT_TRUE(request.ParseFromString(AppendRequestHead("s", 12, true, rows.size()) + std::string(rows.view())));
  EXPECT_EQ(request.write_stream(), "s");
  EXPECT_EQ(request.offset().value(), 12);
  EXPECT_EQ(request.proto_rows().writer_schema().proto_descriptor().SerializeAsString(), RowDescriptor());
  ASSERT_EQ(request.proto_rows().rows().serialized_rows_size(), static_cast<int>(lengths.size()));
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto row = Read(request.proto_rows().rows().serialized_rows(static_cast<int>(i)));
    const auto* r = row->GetReflection();
    const auto field = [&](const char* name) { return descriptor_->FindFieldByName(name); };
    EXPECT_EQ(r->GetString(*row, field("topic")), "t");
    EXPECT_EQ(r->GetInt64(*row, field("offset")), int64_t{1} << 40);
    EXPECT_EQ(r->GetInt64(*row, field("event_time")), -5);
    EXPECT_EQ(r->GetInt32(*row, field("data_date")), -719'162);
    EXPECT_EQ(r->GetInt32(*row, field("ingest_date")), 1);
    EXPECT_EQ(r->GetDouble(*row, field("duration_seconds")), 0.25);
    EXPECT_EQ(r->GetString(*row, field("status")), "running");
    EXPECT_EQ(r->GetString(*row, field("skip_reason")).size(), lengths[i]);
    // Zero and false are values; what is not told is NULL.
    EXPECT_TRUE(r->HasField(*row, field("records_processed")));
    EXPECT_TRUE(r->HasField(*row, field("alert_sent")));
    EXPECT_TRUE(r->HasField(*row, field("batch_index")));
    EXPECT_FALSE(r->HasField(*row, field("records_created")));
    EXPECT_FALSE(r->HasField(*row, field("completed_at")));
    EXPECT_FALSE(r->HasField(*row, field("refused")));
  }
}

TEST_F(RowWireTest, OnlyTheFirstRequestCarriesTheType) {
  bq::AppendRowsRequest request;
  ASSERT_TRUE(request.ParseFromString(AppendRequestHead("s", 0, false, 0)));
  EXPECT_FALSE(request.proto_rows().has_writer_schema());
  EXPECT_TRUE(request.has_offset()) << "an offset of 0 is one";
  EXPECT_EQ(request.offset().value(), 0);
}

}  // namespace
}  // namespace runledger::exporters
