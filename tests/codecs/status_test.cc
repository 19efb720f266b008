#include "codecs/status.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "runledger/v1/event.pb.h"

namespace runledger::codecs {
namespace {

TEST(Status, NumbersAndNamesAreThoseOfEventProto) {
  for (int number = 1; number <= 7; ++number) {
    std::string word = v1::Status_Name(number);
    for (char& c : word) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(StatusName(static_cast<Status>(number)), word);
    EXPECT_EQ(StatusFromWord(word), static_cast<Status>(number));
  }
  for (int number = 1; number <= 3; ++number) {
    std::string word = v1::Kind_Name(number);
    for (char& c : word) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(KindName(static_cast<Kind>(number)), word);
    EXPECT_EQ(KindFromWord(word), static_cast<Kind>(number));
  }
  EXPECT_EQ(v1::Status_MAX, v1::ABORTED);
  EXPECT_EQ(v1::Kind_MAX, v1::PREDICTION);
}

TEST(Status, WordsOfEveryVocabularyMeanOneOfOurs) {
  struct Case {
    const char* vocabulary;
    const char* word;
    Status status;
  };
  constexpr Case kCases[] = {
      {"OpenLineage", "START", Status::kRunning},
      {"OpenLineage", "RUNNING", Status::kRunning},
      {"OpenLineage", "COMPLETE", Status::kSuccess},
      {"OpenLineage", "FAIL", Status::kFailed},
      {"OpenLineage", "ABORT", Status::kAborted},
      {"Airflow", "success", Status::kSuccess},
      {"Airflow", "failed", Status::kFailed},
      {"Airflow", "skipped", Status::kSkipped},
      {"Airflow", "upstream_failed", Status::kSkipped},
      {"Airflow", "restarting", Status::kRunning},
      {"Dagster", "STARTED", Status::kRunning},
      {"Dagster", "STARTING", Status::kRunning},
      {"Dagster", "SUCCESS", Status::kSuccess},
      {"Dagster", "FAILURE", Status::kFailed},
      {"Dagster", "CANCELED", Status::kAborted},
      {"Prefect", "COMPLETED", Status::kSuccess},
      {"Prefect", "CRASHED", Status::kFailed},
      {"Prefect", "CANCELLED", Status::kAborted},
      {"dbt", "pass", Status::kSuccess},
      {"dbt", "warn", Status::kPartial},
      {"dbt", "error", Status::kFailed},
      {"dbt", "runtime error", Status::kFailed},
      {"plain", "in progress", Status::kRunning},
      {"plain", "In-Progress", Status::kRunning},
      {"plain", "Timed Out", Status::kFailed},
      {"plain", "no data", Status::kNoData},
      {"plain", "partial-success", Status::kPartial},
      {"ours", "stale_running_cleanup", Status::kFailed},
  };
  for (const Case& c : kCases) EXPECT_EQ(StatusFromWord(c.word), c.status) << c.vocabulary << ": " << c.word;
}

TEST(Status, AWordThatNobodyKnowsIsNothing) {
  for (const char* word : {"", "runing", "success ", "successs", "queued", "0", "\xff"}) {
    EXPECT_EQ(StatusFromWord(word), std::nullopt) << word;
  }
  EXPECT_EQ(StatusFromWord(std::string(10'000, 'a')), std::nullopt);
  EXPECT_EQ(StatusFromWord(std::string("success\0", 8)), std::nullopt);
  EXPECT_EQ(KindFromWord("proces"), std::nullopt);
}

TEST(Status, TerminalStatusesAreNumberedWithoutAGap) {
  std::set<int> indices;
  for (Status status : kAllTerminalStatuses) {
    EXPECT_TRUE(IsTerminal(status));
    indices.insert(TerminalIndex(status));
  }
  EXPECT_EQ(indices, (std::set<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_FALSE(IsTerminal(Status::kRunning));
  for (Status status : kAllTerminalStatuses) {
    EXPECT_EQ(IsFailure(status), status == Status::kFailed || status == Status::kAborted) << StatusName(status);
  }
}

}  // namespace
}  // namespace runledger::codecs
