#include "exporters/bigquery_rest/bigquery_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/events_table.h"

namespace runledger::exporters {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

BigQueryPlace Place() { return {.project = "p", .dataset = "d"}; }

// What tables.get says of a table as it should be: types by their older names, as the service has them.
json Found() {
  json table = WantedTable(Place());
  table["type"] = "TABLE";
  for (json& field : table["schema"]["fields"]) {
    if (field["type"] == "INT64") field["type"] = "INTEGER";
    if (field["type"] == "FLOAT64") field["type"] = "FLOAT";
    if (field["type"] == "BOOL") field["type"] = "BOOLEAN";
    if (field["mode"] == "NULLABLE") field.erase("mode");
  }
  return table;
}

json* Field(json* table, const std::string& name) {
  for (json& field : (*table)["schema"]["fields"]) {
    if (field["name"] == name) return &field;
  }
  return nullptr;
}

void Remove(json* table, const std::string& name) {
  json kept = json::array();
  for (json& field : (*table)["schema"]["fields"]) {
    if (field["name"] != name) kept.push_back(field);
  }
  (*table)["schema"]["fields"] = kept;
}

std::string Refusal(const json& found) {
  const TableComparison comparison = CompareTable(Place(), found);
  EXPECT_EQ(comparison.refusals.size(), 1u);
  return comparison.refusals.empty() ? "" : comparison.refusals[0];
}

TEST(BigQueryCompare, NothingToDo) {
  const TableComparison comparison = CompareTable(Place(), Found());
  EXPECT_THAT(comparison.refusals, IsEmpty());
  EXPECT_THAT(comparison.changes, IsEmpty());
  EXPECT_TRUE(comparison.patch.empty());
}

TEST(BigQueryCompare, AMissingNullableColumnIsAddedBehindTheOthers) {
  json found = Found();
  Remove(&found, "batch_id");
  Remove(&found, "duration_seconds");
  const TableComparison comparison = CompareTable(Place(), found);
  EXPECT_THAT(comparison.refusals, IsEmpty());
  EXPECT_THAT(comparison.missing, ElementsAre("duration_seconds", "batch_id"));
  EXPECT_THAT(comparison.changes,
              ElementsAre(HasSubstr("add column duration_seconds FLOAT64"), HasSubstr("batch_id STRING")));
  const json& fields = comparison.patch["schema"]["fields"];
  ASSERT_EQ(fields.size(), codecs::EventColumns().size());
  EXPECT_EQ(fields[fields.size() - 2]["name"], "duration_seconds");
  EXPECT_EQ(fields.back()["mode"], "NULLABLE");
  // What was found goes back as it was.
  EXPECT_EQ(fields[0], found["schema"]["fields"][0]);
}

TEST(BigQueryCompare, EverythingElseIsRefusedByTableAndColumn) {
  json found = Found();
  Remove(&found, "event_id");
  EXPECT_EQ(Refusal(found), "table `p.d.events`, column event_id: wanted STRING REQUIRED, found no such column");

  found = Found();
  (*Field(&found, "started_at"))["type"] = "INTEGER";
  EXPECT_EQ(Refusal(found), "table `p.d.events`, column started_at: wanted TIMESTAMP NULLABLE, found INT64 NULLABLE");

  found = Found();
  (*Field(&found, "errors"))["mode"] = "REPEATED";
  EXPECT_EQ(Refusal(found), "table `p.d.events`, column errors: wanted JSON NULLABLE, found JSON REPEATED");

  found = Found();
  found["schema"]["fields"].push_back({{"name", "Tenant"}, {"type", "STRING"}, {"mode", "REQUIRED"}});
  EXPECT_THAT(Refusal(found),
              HasSubstr("column tenant: wanted no such column, or one that may be NULL, found STRING REQUIRED"));

  found = Found();
  found.erase("timePartitioning");
  EXPECT_THAT(Refusal(found),
              HasSubstr("column ingest_date: wanted partitions DAY by ingest_date, found no partitions"));

  found = Found();
  found["timePartitioning"]["field"] = "data_date";
  EXPECT_THAT(Refusal(found), HasSubstr("found partitions DAY by data_date"));

  found = Found();
  found["clustering"]["fields"] = {"job_name"};
  EXPECT_THAT(Refusal(found),
              HasSubstr("wanted clustering by kind, job_name, workflow, status, found clustering by job_name"));

  found = Found();
  found["type"] = "VIEW";
  EXPECT_EQ(Refusal(found), "table `p.d.events`: wanted TABLE, found VIEW");
}

TEST(BigQueryCompare, ColumnsOfANewerVersionStayAndNamesAreWithoutCase) {
  json found = Found();
  found["schema"]["fields"].push_back({{"name", "later"}, {"type", "STRING"}});
  (*Field(&found, "topic"))["name"] = "Topic";
  const TableComparison comparison = CompareTable(Place(), found);
  EXPECT_THAT(comparison.refusals, IsEmpty());
  EXPECT_THAT(comparison.changes, IsEmpty());
}

TEST(BigQueryCompare, ExpiryAndDescriptionsAreSet) {
  json found = Found();
  found["timePartitioning"]["expirationMs"] = "1000";
  found["timePartitioning"]["requirePartitionFilter"] = true;
  (*Field(&found, "topic"))["description"] = "something else";
  found.erase("description");
  BigQueryPlace place = Place();
  place.expiry_days = 30;
  TableComparison comparison = CompareTable(place, found);
  EXPECT_THAT(comparison.refusals, IsEmpty());
  EXPECT_EQ(comparison.changes.size(), 3u);
  EXPECT_EQ(comparison.patch["timePartitioning"]["expirationMs"], "2592000000");
  EXPECT_EQ(comparison.patch["timePartitioning"]["requirePartitionFilter"], true);
  EXPECT_EQ(comparison.patch["schema"]["fields"][2]["description"], "topic of the record");

  place.expiry_days = 0;
  comparison = CompareTable(place, found);
  EXPECT_TRUE(comparison.patch["timePartitioning"]["expirationMs"].is_null());
}

}  // namespace
}  // namespace runledger::exporters
