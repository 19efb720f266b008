#include "exporters/queries/named_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "exporters/queries/sql_text.h"

namespace runledger::exporters {
namespace {

using ::testing::HasSubstr;

std::set<std::string> ParametersOf(std::string_view sql) {
  std::set<std::string> names;
  ReplaceParameters(sql, [&](std::string_view name) {
    names.emplace(name);
    return std::string();
  });
  return names;
}

// What SQLite's texts have in place of a date and its zones.
const std::set<std::string> kSqliteOnly = {"day_start", "day_end", "clock_offset", "clock_offset_after",
                                           "clock_changes_at"};

TEST(NamedQueries, TextsNameDeclaredParametersAndUseEachOfThem) {
  for (const NamedQuery& query : NamedQueries()) {
    SCOPED_TRACE(query.name);
    std::set<std::string> declared;
    for (const QueryParameter& parameter : query.parameters) {
      EXPECT_TRUE(declared.emplace(parameter.name).second) << parameter.name << " twice";
      EXPECT_FALSE(parameter.description.empty());
    }
    const std::set<std::string> bigquery = ParametersOf(query.bigquery);
    for (const std::string& name : bigquery) EXPECT_TRUE(declared.contains(name)) << name;
    for (const std::string& name : declared) {
      // These say which day is today.
      if ((name == "now" || name == "zone") && declared.contains("date")) continue;
      EXPECT_TRUE(bigquery.contains(name)) << name;
    }
    for (const std::string& name : ParametersOf(query.sqlite))
      EXPECT_TRUE(declared.contains(name) || kSqliteOnly.contains(name)) << name;
  }
}

// A query that reads every partition costs as much as the whole table.
TEST(NamedQueries, BigQueryReadsOnlyThroughBoundedFunctions) {
  for (const NamedQuery& query : NamedQueries()) {
    SCOPED_TRACE(query.name);
    size_t reads = 0;
    for (size_t at = 0; (at = query.bigquery.find("{dataset}.", at)) != query.bigquery.npos; ++at) {
      const std::string_view rest = query.bigquery.substr(at);
      const std::string_view called = rest.substr(0, rest.find('(') + 1);
      EXPECT_TRUE(called.ends_with("_between`(")) << called;
      EXPECT_NE(rest.substr(called.size()).find("DATE_SUB("), rest.npos);
      ++reads;
    }
    EXPECT_GT(reads, 0u);
  }
}

// The columns that dashboards and alerts select.
TEST(NamedQueries, ColumnsThatReadersKnow) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"missing_dependencies", {"missing_dependency", "failure_count", "affected_processors"}},
      {"performance_by_phase", {"runs", "avg_duration", "max_duration", "failures"}},
      {"stale_by_date", {"processor_name", "data_date", "stuck_count"}},
      {"stale_by_processor", {"processor_name", "stuck_count"}},
      {"latest_attempt", {"status", "records", "triggered_at", "time_et"}},
      {"discovery_attempts", {"attempts_today", "found_data", "no_data_yet", "failures"}},
      {"success_rates", {"total_runs", "success_count", "success_rate_pct", "avg_duration_sec"}},
      {"cost_by_source", {"executions", "successful", "avg_duration", "total_seconds"}},
      {"expected_vs_actual",
       {"workflow_name", "expected_time", "actual_time", "status", "expected_reason", "actual_reason"}},
      {"missing_files", {"scraper_name", "gcs_path", "age_minutes", "republished", "urgency"}},
      {"critical_workflow_not_run", {"alert_source", "workflow_name", "last_evaluation", "hours_since_last"}},
      {"high_failure_rate", {"scraper_name", "total_runs", "failures", "failure_rate_pct"}},
      {"why_skipped", {"decision_time", "action", "reason", "context"}},
      {"todays_scraper_summary", {"scraper_name", "runs", "successes"}},
      {"rows_per_date", {"date", "count"}},
  };
  for (const auto& [name, columns] : cases) {
    const NamedQuery* const query = FindQuery(name);
    ASSERT_NE(query, nullptr) << name;
    std::set<std::string> found;
    for (const QueryColumn& column : query->columns) found.emplace(column.name);
    for (const char* column : columns) EXPECT_TRUE(found.contains(column)) << name << "." << column;
  }
}

TEST(NamedQueries, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const NamedQuery& query : NamedQueries()) EXPECT_TRUE(names.insert(query.name).second) << query.name;
  EXPECT_EQ(FindQuery("no_such_query"), nullptr);
}

TEST(QueryPage, IsTheOneInTheDocumentation) {
  std::ifstream file(SOURCE_DIR "/docs/queries.md");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), QueryPage()) << "run: runledger config queries > docs/queries.md";
}

}  // namespace
}  // namespace runledger::exporters
