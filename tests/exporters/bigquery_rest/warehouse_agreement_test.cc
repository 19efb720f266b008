// The same rows in SQLite and in BigQuery: every named query, every view and an exported partition say the same.

#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bigquery/emulator_fixture.h"
#include "codecs/civil_time.h"
#include "codecs/views.h"
#include "exporters/bigquery_rest/bigquery_history.h"
#include "exporters/bigquery_rest/bigquery_schema.h"
#include "exporters/bigquery_rest/history_events.h"
#include "exporters/bigquery_rest/rest_client.h"
#include "exporters/queries/history.h"
#include "exporters/queries/named_queries.h"
#include "exporters/warehouse/sqlite_history.h"
#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;

int64_t Today() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count() / kDay * kDay;
}

// The value in a form in which equal values are equal texts: JSON without blanks and with its members in order.
std::string Normal(ColumnType type, const AnswerValue& value) {
  if (!value) return "NULL";
  if (type == ColumnType::kJson) return Json::parse(*value, nullptr, false).dump();
  return *value;
}

bool Same(ColumnType type, const AnswerValue& a, const AnswerValue& b) {
  // Sums of the same numbers in another order.
  if (type == ColumnType::kFloat64 && a && b) {
    const double x = std::stod(*a);
    const double y = std::stod(*b);
    return std::abs(x - y) <= 1e-9 * std::max({1.0, std::abs(x), std::abs(y)});
  }
  return Normal(type, a) == Normal(type, b);
}

std::string Line(const Answer& answer, const std::vector<AnswerValue>& row) {
  return JsonLine(answer.columns, row, true);
}

void ExpectSame(const Answer& sqlite, const Answer& bigquery) {
  ASSERT_EQ(sqlite.rows.size(), bigquery.rows.size());
  for (size_t i = 0; i < sqlite.rows.size(); ++i) {
    for (size_t c = 0; c < sqlite.columns.size(); ++c) {
      ASSERT_TRUE(Same(sqlite.columns[c].type, sqlite.rows[i][c], bigquery.rows[i][c]))
          << "row " << i << ", column " << sqlite.columns[c].name << "\nSQLite:   " << Line(sqlite, sqlite.rows[i])
          << "\nBigQuery: " << Line(bigquery, bigquery.rows[i]);
    }
  }
}

// One pair of warehouses for all tests: filling them takes longest. Views ask for today, so the rows are of today.
class Agreement : public test::EmulatorTest {
 protected:
  // A SQLite file with rows, made by the sink that makes it in production.
  class Filled : public WarehouseTest {
   public:
    explicit Filled(int64_t now_us) {
      now_us_ = now_us;
      const std::unique_ptr<SqliteSink> sink = NewSink();
      const std::vector<v1::Event> events = HistoryEvents(/*seed=*/20260112, now_us, /*runs=*/1200);
      // Some partitions, as a log has: the same event may be in two.
      for (size_t part = 0; part < 4; ++part) {
        std::vector<v1::Event> some;
        for (size_t i = part; i < events.size(); i += 4) some.push_back(events[i]);
        Write(sink.get(), some);
      }
    }
    void TestBody() override {}
    const std::string& path() const { return path_; }
  };

  static void SetUpTestSuite() {
    EmulatorTest::SetUpTestSuite();
    if (rest_url().empty()) return;
    now_us_ = Today() + 17 * kHour + 7;
    filled_ = std::make_unique<Filled>(now_us_);
    place_.project = kProject;
    place_.dataset = "ledger";
    place_.endpoint = rest_url();
    place_.expiry_days = 0;
    place_.views = {{"processor_run_history", "nba_reference"}, {"scraper_execution_log", "nba_orchestration"}};
    auto sqlite = OpenSqliteHistory(filled_->path());
    ASSERT_TRUE(sqlite.ok()) << sqlite.status();
    sqlite_ = *std::move(sqlite);
    const auto applied = BigQuerySchemaApply(place_, nullptr);
    ASSERT_TRUE(applied.ok()) << applied.status();
    bigquery_ = OpenBigQueryHistory(place_, nullptr);
    CopyRows();
  }
  static void TearDownTestSuite() {
    sqlite_.reset();
    bigquery_.reset();
    filled_.reset();
    EmulatorTest::TearDownTestSuite();
  }

  // Through tabledata.insertAll, which real warehouses of ours do not use.
  static void CopyRows() {
    RestClient client(place_, nullptr);
    const std::vector<AnswerColumn> columns = ExportColumns();
    Json rows = Json::array();
    const auto send = [&] {
      const auto answer = client.Post("/datasets/ledger/tables/events/insertAll", {{"rows", rows}});
      rows = Json::array();
      if (!answer.ok()) return answer.status();
      return answer->value("insertErrors", Json::array()).empty() ? absl::OkStatus()
                                                                  : absl::InternalError(answer->dump());
    };
    const absl::Status status =
        sqlite_->ReadPartition(codecs::DayOf(now_us_), [&](const std::vector<AnswerValue>& row) {
          Json object = Json::object();
          for (size_t i = 0; i < columns.size(); ++i) {
            if (row[i]) object[columns[i].name] = *row[i];
          }
          rows.push_back({{"json", std::move(object)}});
          ++rows_;
          return rows.size() == 500 ? send() : absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status;
    const absl::Status last = send();
    ASSERT_TRUE(last.ok()) << last;
    ASSERT_GT(rows_, 1'000);
  }

  // Both answers to a query.
  static std::pair<Answer, Answer> Ask(const NamedQuery& query, std::map<std::string, std::string> given) {
    given.emplace("now", codecs::FormatRfc3339(now_us_));
    const auto bound = Bind(query, given, now_us_);
    EXPECT_TRUE(bound.ok()) << bound.status();
    const auto sqlite = sqlite_->Ask(*bound);
    EXPECT_TRUE(sqlite.ok()) << sqlite.status();
    const auto bigquery = bigquery_->Ask(*bound);
    EXPECT_TRUE(bigquery.ok()) << bigquery.status();
    if (!sqlite.ok() || !bigquery.ok()) return {};
    return {*sqlite, *bigquery};
  }

  static int64_t now_us_;
  static int64_t rows_;
  static BigQueryPlace place_;
  static std::unique_ptr<Filled> filled_;
  static std::unique_ptr<History> sqlite_;
  static std::unique_ptr<History> bigquery_;
};

int64_t Agreement::now_us_ = 0;
int64_t Agreement::rows_ = 0;
BigQueryPlace Agreement::place_;
std::unique_ptr<Agreement::Filled> Agreement::filled_;
std::unique_ptr<History> Agreement::sqlite_;
std::unique_ptr<History> Agreement::bigquery_;

TEST_F(Agreement, NamedQueries) {
  // What a query must be told, and more where its defaults would say little.
  const std::map<std::string_view, std::vector<std::map<std::string, std::string>>> given = {
      {"trace_run", {{{"run_id", "fea26b01"}}, {{"run_id", "run_7_"}}, {{"run_id", "%"}}}},
      {"failed_runs", {{}, {{"date", codecs::FormatDate(codecs::DayOf(now_us_) - 2)}}, {{"days_ahead", "0"}}}},
      {"run_graph", {{{"run_id", "fea26b01"}}, {{"run_id", "run_7_"}}, {{"run_id", "1"}, {"limit", "20"}}}},
      {"same_trigger", {{{"message_id", "12345678901234561"}}}},
      {"processor_runs", {{{"processor", "jób"}}, {{"processor", "MLFeatureStoreProcessor"}, {"limit", "3"}}}},
      {"latest_attempt",
       {{{"scraper", "nbac_injury_report"}}, {{"scraper", "bdl_box_scores"}, {"zone", "Asia/Tokyo"}}}},
      {"discovery_attempts", {{{"scraper", "nbac_injury_report"}}, {{"scraper", "none"}}}},
      {"why_skipped", {{{"workflow", "betting_lines"}}}},
      {"stale_by_date", {{}, {{"hours", "30"}, {"limit", "100"}}}},
      {"missing_dependencies", {{}, {{"limit", "1"}}}},
      {"critical_workflow_not_run", {{{"now", codecs::FormatRfc3339(now_us_ + 5 * kHour)}}, {}}},
      {"high_failure_rate", {{}, {{"percent", "12.5"}, {"days", "5"}}}},
      {"rows_per_date", {{}, {{"processor", "jób"}}}},
  };
  std::set<std::string_view> empty;
  for (const NamedQuery& query : NamedQueries()) {
    const auto at = given.find(query.name);
    const std::vector<std::map<std::string, std::string>> cases =
        at == given.end() ? std::vector<std::map<std::string, std::string>>{{}} : at->second;
    bool rows = false;
    for (const auto& parameters : cases) {
      SCOPED_TRACE(std::string(query.name) + Json(parameters).dump());
      const auto [sqlite, bigquery] = Ask(query, parameters);
      ExpectSame(sqlite, bigquery);
      rows = rows || !sqlite.rows.empty();
    }
    if (!rows) empty.insert(query.name);
  }
  EXPECT_TRUE(empty.empty()) << "without any row, so nothing was compared: " << *empty.begin();
}

TEST_F(Agreement, Views) {
  for (const codecs::View& view : codecs::Views()) {
    SCOPED_TRACE(view.name);
    // A query over the view, ordered by every column that can be compared.
    NamedQuery query{.name = view.name,
                     .description = {},
                     .source = {},
                     .parameters = {},
                     .columns = {},
                     .rows_are_bad_news = false,
                     .sqlite = {},
                     .bigquery = {}};
    std::string columns;
    std::string bigquery_columns;
    std::string order;
    for (const codecs::ViewColumn& column : view.columns) {
      const std::string column_name(column.name);
      const std::string comma = columns.empty() ? "" : ", ";
      // An array there, JSON here. Those of structs: see the query missing_files.
      if (!column.bigquery_type.empty() && column.bigquery_type != "ARRAY<STRING>") continue;
      query.columns.push_back({column.name, column.type});
      columns += comma + column_name;
      bigquery_columns +=
          comma + (column.bigquery_type.empty() ? column_name
                                                : "IF(ARRAY_LENGTH(" + column_name + ") > 0, TO_JSON_STRING(" +
                                                      column_name + "), NULL) AS " + column_name);
      if (column.type != ColumnType::kJson) order += (order.empty() ? "" : ", ") + column_name;
    }
    const std::string name(view.name);
    const std::string sqlite = "SELECT " + columns + " FROM " + name + " ORDER BY " + order;
    const std::string bigquery = "SELECT " + bigquery_columns + " FROM `" + std::string(kProject) + "." +
                                 place_.DatasetOf(name) + "." + name + "` ORDER BY " + order;
    query.sqlite = sqlite;
    query.bigquery = bigquery;
    query.parameters = {{"now", ColumnType::kTimestamp, QueryParameter::Default::kNow, {}, {}}};
    const auto [in_sqlite, in_bigquery] = Ask(query, {});
    EXPECT_FALSE(in_sqlite.rows.empty());
    // What counts from today is another when the day ends between the two.
    if (view.shape == codecs::ViewShape::kQuery && now_us_ / kDay != Today() / kDay) continue;
    ExpectSame(in_sqlite, in_bigquery);
  }
}

TEST_F(Agreement, ExportedPartition) {
  const std::vector<AnswerColumn> columns = ExportColumns();
  const auto read = [&](History* history) {
    std::vector<std::vector<AnswerValue>> rows;
    const absl::Status status =
        history->ReadPartition(codecs::DayOf(now_us_), [&](const std::vector<AnswerValue>& row) {
          rows.push_back(row);
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return rows;
  };
  const Answer sqlite{columns, read(sqlite_.get())};
  const Answer bigquery{columns, read(bigquery_.get())};
  EXPECT_EQ(static_cast<int64_t>(sqlite.rows.size()), rows_);
  ExpectSame(sqlite, bigquery);
}

}  // namespace
}  // namespace runledger::exporters
