#include "exporters/queries/bound_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/civil_time.h"
#include "exporters/queries/sql_text.h"

namespace runledger::exporters {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

int64_t Now() { return codecs::ParseRfc3339("2026-01-13T02:30:00Z").value(); }

BoundQuery Bound(const char* name, const std::map<std::string, std::string>& given) {
  const auto bound = Bind(*FindQuery(name), given, Now());
  EXPECT_TRUE(bound.ok()) << bound.status();
  return bound.value_or(BoundQuery{FindQuery(name), {}, {}});
}

std::string Refusal(const char* name, const std::map<std::string, std::string>& given) {
  const auto bound = Bind(*FindQuery(name), given, Now());
  EXPECT_TRUE(absl::IsInvalidArgument(bound.status())) << bound.status();
  return std::string(bound.status().message());
}

TEST(BoundQuery, TodayIsADayOfTheZone) {
  EXPECT_EQ(Bound("failed_runs", {}).Find("date")->text, "2026-01-13");
  EXPECT_EQ(Bound("expected_vs_actual", {}).Find("date")->text, "2026-01-12");
  EXPECT_EQ(Bound("expected_vs_actual", {{"zone", "UTC"}}).Find("date")->text, "2026-01-13");
  EXPECT_EQ(Bound("expected_vs_actual", {{"now", "2026-01-01T12:00:00Z"}}).Find("date")->text, "2026-01-01");
  EXPECT_EQ(Bound("expected_vs_actual", {{"date", "2026-01-02"}}).Find("date")->text, "2026-01-02");
}

TEST(BoundQuery, ValuesTakeTheOneFormOfTheirType) {
  EXPECT_EQ(Bound("success_rates", {{"now", "2026-01-12T06:30:08.50-05:00"}}).Find("now")->text,
            "2026-01-12T11:30:08.500000Z");
  EXPECT_EQ(Bound("high_failure_rate", {{"percent", "12.50"}}).Find("percent")->text, "12.5");
}

TEST(BoundQuery, RefusalsSayWhatWouldBeRight) {
  EXPECT_THAT(Refusal("trace_run", {}), HasSubstr("needs --run_id: any part of the run id"));
  EXPECT_THAT(Refusal("trace_run", {{"run_id", "x"}, {"dayz", "1"}}),
              HasSubstr("has no --dayz; it has --run_id, --days"));
  EXPECT_THAT(Refusal("success_rates", {{"days", "-1"}}), HasSubstr("--days: '-1' is not a whole number"));
  EXPECT_THAT(Refusal("success_rates", {{"days", "7x"}}), HasSubstr("--days"));
  EXPECT_THAT(Refusal("success_rates", {{"days", "9223372036854775807"}}), HasSubstr("--days"));
  EXPECT_THAT(Refusal("failed_runs", {{"date", "12.01.2026"}}), HasSubstr("a date such as 2026-01-12"));
  EXPECT_THAT(Refusal("failed_runs", {{"zone", "Mars/Base"}}), HasSubstr("no time zone Mars/Base"));
  EXPECT_THAT(Refusal("latest_attempt", {{"scraper", "x"}, {"clock_zone", "Mars/Base"}}), HasSubstr("--clock_zone"));
  EXPECT_THAT(Refusal("failed_runs", {{"now", "noon"}}), HasSubstr("2026-01-12T11:30:08Z"));
  for (const char* text : {"nan", "NaN", "-nan", "inf", "-inf", "infinity", "1e3", ""})
    EXPECT_THAT(Refusal("high_failure_rate", {{"percent", text}}), HasSubstr("--percent: '")) << text;
  EXPECT_THAT(Refusal("trace_run", {{"run_id", "\xff"}}), HasSubstr("UTF-8"));
}

TEST(BoundQuery, SqlToPasteHoldsTheValues) {
  const BoundQuery bound = Bound("why_skipped", {{"workflow", "o'clock\\"}, {"date", "2026-01-12"}});
  EXPECT_THAT(SqliteToPaste(bound), HasSubstr("workflow_name = 'o''clock\\'"));
  const std::string bigquery = BigQueryToPaste(bound, "p.d");
  EXPECT_THAT(bigquery, HasSubstr("workflow_name = 'o\\'clock\\\\'"));
  EXPECT_THAT(bigquery, HasSubstr("`p.d.workflow_decisions_between`(DATE_SUB(DATE '2026-01-12', INTERVAL 1 DAY)"));
  EXPECT_THAT(bigquery, Not(HasSubstr("@")));
}

TEST(BoundQuery, ADashboardKeepsWhatNobodyGave) {
  EXPECT_THAT(BigQueryToPaste(Bound("success_rates", {}), "p.d"), HasSubstr("DATE(CURRENT_TIMESTAMP())"));
  EXPECT_THAT(BigQueryToPaste(Bound("expected_vs_actual", {}), "p.d"),
              HasSubstr("WHERE date = CURRENT_DATE('America/New_York')"));
  EXPECT_THAT(BigQueryToPaste(Bound("success_rates", {{"now", "2026-01-12T00:00:00Z"}}), "p.d"),
              HasSubstr("DATE(TIMESTAMP '2026-01-12T00:00:00Z')"));
}

TEST(SqlText, ParametersWithinQuotesAndCommentsStay) {
  const auto replaced = ReplaceParameters("SELECT '@a', \"@a\", `@a`, @a, @ab -- @a\n, x@ , @a",
                                          [](std::string_view name) { return "<" + std::string(name) + ">"; });
  EXPECT_EQ(replaced, "SELECT '@a', \"@a\", `@a`, <a>, <ab> -- @a\n, x@ , <a>");
}

}  // namespace
}  // namespace runledger::exporters
