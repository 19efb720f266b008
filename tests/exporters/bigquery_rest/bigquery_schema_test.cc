// The schema against an emulator of BigQuery.

#include "exporters/bigquery_rest/bigquery_schema.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <set>

#include "bigquery/emulator_fixture.h"
#include "codecs/events_table.h"
#include "codecs/views.h"
#include "exporters/bigquery_rest/bigquery_compare.h"
#include "exporters/bigquery_rest/bigquery_sql.h"
#include "exporters/bigquery_rest/rest_client.h"

namespace runledger::exporters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BigQuerySchema : public test::EmulatorTest {
 protected:
  BigQueryPlace Place() const {
    BigQueryPlace place;
    place.project = kProject;
    place.dataset = dataset_;
    place.endpoint = rest_url();
    return place;
  }
  std::string TablePath(const std::string& dataset, const std::string& table) const {
    return "/datasets/" + dataset + "/tables/" + table;
  }
  // Makes a dataset with a table `events` that `change` has changed.
  void MakeTable(const std::function<void(Json*)>& change) {
    const BigQueryPlace place = Place();
    RestClient client(place, nullptr);
    Json table = WantedTable(place);
    change(&table);
    const Json dataset = {{"datasetReference", {{"projectId", kProject}, {"datasetId", dataset_}}}};
    ASSERT_TRUE(client.Post("/datasets", dataset).ok());
    const auto made = client.Post("/datasets/" + dataset_ + "/tables", table);
    ASSERT_TRUE(made.ok()) << made.status();
  }

  const std::string dataset_ = FreshDataset();
};

TEST_F(BigQuerySchema, ApplyMakesEverythingAndThenThereIsNothingToDo) {
  BigQueryPlace place = Place();
  const std::string reference = FreshDataset();
  place.views = {{"processor_run_history", reference}};
  const auto before = BigQuerySchemaDiff(place, nullptr);
  ASSERT_TRUE(before.ok()) << before.status();
  const auto applied = BigQuerySchemaApply(place, nullptr);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(*applied, *before);
  EXPECT_EQ(applied->size(), 2 + 1 + BigQueryFunctions(place).size() + codecs::Views().size());
  const auto after = BigQuerySchemaDiff(place, nullptr);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_THAT(*after, IsEmpty());
  EXPECT_TRUE(CheckBigQueryTable(place, nullptr).ok());

  RestClient client(place, nullptr);
  const auto table = client.Get(TablePath(dataset_, "events"));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)["timePartitioning"]["type"], "DAY");
  EXPECT_EQ((*table)["timePartitioning"]["field"], "ingest_date");
  EXPECT_EQ((*table)["timePartitioning"]["expirationMs"], "7776000000");  // 90 days
  EXPECT_EQ((*table)["clustering"]["fields"], Json({"kind", "job_name", "workflow", "status"}));
  EXPECT_EQ((*table)["schema"]["fields"].size(), codecs::EventColumns().size());
  EXPECT_EQ((*table)["schema"]["fields"][2]["description"], "topic of the record");
  // The view stands where it was put, and nowhere else.
  EXPECT_TRUE(client.Get(TablePath(reference, "processor_run_history")).ok());
  EXPECT_TRUE(absl::IsNotFound(client.Get(TablePath(dataset_, "processor_run_history")).status()));
}

TEST_F(BigQuerySchema, TwelveMissingColumnsStopTheStartAndAreAdded) {
  const std::set<std::string> missing = {"refused",    "phase",        "duration_seconds", "errors",
                                         "error_type", "opts",         "trigger_source",   "alert_sent",
                                         "batch_id",   "completed_at", "subject",          "missing_files"};
  ASSERT_EQ(missing.size(), 12u);
  MakeTable([&](Json* table) {
    Json fields = Json::array();
    for (const Json& field : (*table)["schema"]["fields"]) {
      if (!missing.contains(field["name"].get<std::string>())) fields.push_back(field);
    }
    (*table)["schema"]["fields"] = fields;
  });
  const absl::Status before = CheckBigQueryTable(Place(), nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(before));
  EXPECT_THAT(std::string(before.message()), HasSubstr("`runledger schema apply` adds what is missing"));
  for (const std::string& column : missing) EXPECT_THAT(std::string(before.message()), HasSubstr(column));
  const auto applied = BigQuerySchemaApply(Place(), nullptr);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(std::count_if(applied->begin(), applied->end(),
                          [](const auto& change) { return change.starts_with("add column"); }),
            12);
  EXPECT_THAT((*applied)[0], HasSubstr("add column refused STRING to table"));
  EXPECT_TRUE(CheckBigQueryTable(Place(), nullptr).ok());
}

TEST_F(BigQuerySchema, DriftIsRefusedAndNothingIsChanged) {
  MakeTable([](Json* table) {
    for (Json& field : (*table)["schema"]["fields"]) {
      if (field["name"] == "started_at") field["type"] = "INT64";
      if (field["name"] == "errors") field["type"] = "STRING";
    }
  });
  const std::string name = "table `" + std::string(kProject) + "." + dataset_ + ".events`";
  for (const absl::Status& status :
       {BigQuerySchemaDiff(Place(), nullptr).status(), BigQuerySchemaApply(Place(), nullptr).status(),
        CheckBigQueryTable(Place(), nullptr)}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_EQ(status.message(), name + ", column started_at: wanted TIMESTAMP NULLABLE, found INT64 NULLABLE\n" + name +
                                    ", column errors: wanted JSON NULLABLE, found STRING NULLABLE");
  }
  const BigQueryPlace place = Place();
  RestClient client(place, nullptr);
  EXPECT_TRUE(absl::IsNotFound(client.Get(TablePath(dataset_, "processor_run_history")).status()));
}

TEST_F(BigQuerySchema, AViewOrFunctionThatDiffersIsMadeAnew) {
  ASSERT_TRUE(BigQuerySchemaApply(Place(), nullptr).ok());
  const BigQueryPlace place = Place();
  RestClient client(place, nullptr);
  const Json other = {{"view", {{"query", "SELECT 1 AS x"}, {"useLegacySql", false}}}, {"description", "mine"}};
  ASSERT_TRUE(client.Patch(TablePath(dataset_, "run_verdicts"), other).ok());
  const std::string routine = "/datasets/" + dataset_ + "/routines/runs_between";
  auto function = client.Get(routine);
  ASSERT_TRUE(function.ok()) << function.status();
  (*function)["definitionBody"] = "SELECT 1 AS x";
  ASSERT_TRUE(client.Put(routine, *function).ok());
  const auto applied = BigQuerySchemaApply(place, nullptr);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_THAT(*applied, ElementsAre(HasSubstr("runs_between` anew"), HasSubstr("run_verdicts` anew")));
}

TEST_F(BigQuerySchema, ATableInPlaceOfAViewIsRefused) {
  MakeTable([](Json*) {});
  const BigQueryPlace place = Place();
  RestClient client(place, nullptr);
  const Json table = {
      {"tableReference", {{"projectId", kProject}, {"datasetId", dataset_}, {"tableId", "scraper_execution_log"}}},
      {"schema", {{"fields", {{{"name", "x"}, {"type", "STRING"}}}}}}};
  ASSERT_TRUE(client.Post("/datasets/" + dataset_ + "/tables", table).ok());
  const auto diff = BigQuerySchemaDiff(place, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(diff.status()));
  EXPECT_THAT(std::string(diff.status().message()), HasSubstr("scraper_execution_log`: wanted VIEW, found TABLE"));
}

// What `schema print` prints makes the same as `schema apply`.
TEST_F(BigQuerySchema, ThePrintedStatementsRun) {
  const BigQueryPlace place = Place();
  RestClient client(place, nullptr);
  std::string ddl = BigQuerySchemaText(place);
  int statements = 0;
  for (size_t end; (end = ddl.find(";\n")) != ddl.npos; ddl.erase(0, end + 2)) {
    const std::string statement = ddl.substr(0, end);
    const absl::Status ran = client.Query(
        statement, {}, [](const Json&) { return absl::OkStatus(); }, [](const Json&) { return absl::OkStatus(); });
    ASSERT_TRUE(ran.ok()) << ran << "\n" << statement;
    ++statements;
  }
  EXPECT_GT(statements, 20);
  for (const BigQueryView& view : BigQueryViews(place)) {
    int fields = 0;
    const absl::Status asked = client.Query(
        "SELECT * FROM " + BigQueryName(place, view.dataset, view.name), {},
        [&](const Json& found) {
          fields = static_cast<int>(found.size());
          return absl::OkStatus();
        },
        [](const Json&) { return absl::OkStatus(); });
    EXPECT_TRUE(asked.ok()) << asked;
    EXPECT_EQ(fields, static_cast<int>(codecs::ViewNamed(view.name).columns.size())) << view.name;
  }
}

TEST_F(BigQuerySchema, NobodyAnswers) {
  BigQueryPlace place = Place();
  place.endpoint = "http://127.0.0.1:1";
  const absl::Status status = CheckBigQueryTable(place, nullptr);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace runledger::exporters
