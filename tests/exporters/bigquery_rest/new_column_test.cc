// This program is built with a declaration of the table that has one line more than the product's: a column that
// CMakeLists.txt puts in. Nothing else is told of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "codecs/events_table.h"
#include "codecs/table_page.h"
#include "exporters/bigquery_rest/bigquery_compare.h"
#include "exporters/bigquery_rest/bigquery_sql.h"
#include "exporters/queries/history.h"
#include "exporters/warehouse/sqlite_schema_file.h"

namespace runledger::exporters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kAdded[] = "carbon_grams";

TEST(NewColumn, IsDeclared) { ASSERT_TRUE(codecs::FindEventColumn(kAdded)); }

TEST(NewColumn, ReachesSqlite) {
  EXPECT_THAT(SqliteSchemaText(), HasSubstr("\"carbon_grams\" REAL"));
  const std::string path = testing::TempDir() + "/new_column.db";
  std::filesystem::remove(path);
  ASSERT_TRUE(SqliteSchemaApply(path).ok());
  const auto pending = SqliteSchemaDiff(path);
  ASSERT_TRUE(pending.ok()) << pending.status();
  EXPECT_TRUE(pending->empty());
}

TEST(NewColumn, ReachesBigQuery) {
  const BigQueryPlace place{.project = "p", .dataset = "d"};
  const nlohmann::json added = WantedTable(place)["schema"]["fields"].back();
  EXPECT_EQ(
      added,
      nlohmann::json(
          {{"name", kAdded}, {"type", "FLOAT64"}, {"mode", "NULLABLE"}, {"description", "what it cost the air"}}));
  const std::string ddl = BigQuerySchemaText(place);
  EXPECT_THAT(ddl, HasSubstr("`carbon_grams` FLOAT64 OPTIONS(description='what it cost the air')"));
  EXPECT_THAT(ddl, HasSubstr("FIRST_VALUE(`carbon_grams` IGNORE NULLS) OVER whole AS `carbon_grams`"));
  // A table of the version before.
  nlohmann::json found = WantedTable(place);
  nlohmann::json& fields = found["schema"]["fields"];
  fields.erase(fields.size() - 1);
  EXPECT_THAT(CompareTable(place, found).missing, ElementsAre(kAdded));
}

TEST(NewColumn, ReachesTheDocumentationAndTheExport) {
  EXPECT_THAT(codecs::TablePage(), HasSubstr("| `carbon_grams` | FLOAT64 | NULLABLE |  | what it cost the air |"));
  EXPECT_EQ(ExportColumns().back().name, kAdded);
}

}  // namespace
}  // namespace runledger::exporters
