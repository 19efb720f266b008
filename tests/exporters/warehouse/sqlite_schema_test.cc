#include "exporters/warehouse/sqlite_schema.h"

#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "codecs/events_table.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_schema_file.h"
#include "exporters/warehouse/sqlite_upgrade.h"
#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

using SchemaTest = WarehouseTest;

absl::Status Upgrade(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open({.path = path, .busy_timeout_ms = kBusyTimeoutMs});
  return database.ok() ? BringUpToDate(database->get()) : database.status();
}

// What the file says of itself, to be compared.
constexpr const char* kWholeSchema = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";

TEST_F(SchemaTest, TheFileHoldsWhatIsDeclared) {
  ASSERT_TRUE(Upgrade(path_).ok());
  const std::vector<SqlRow> columns =
      Query("SELECT name, type, \"notnull\" FROM pragma_table_info('events') ORDER BY cid");
  ASSERT_EQ(columns.size(), codecs::EventColumns().size());
  for (size_t i = 0; i < columns.size(); ++i) {
    const codecs::Column& declared = codecs::EventColumns()[i];
    EXPECT_EQ(columns[i][0], declared.name);
    EXPECT_EQ(columns[i][2], declared.required ? "1" : "0") << declared.name;
  }
  for (const codecs::View& view : codecs::Views()) {
    const std::vector<SqlRow> found =
        Query("SELECT name FROM pragma_table_info('" + std::string(view.name) + "') ORDER BY cid");
    ASSERT_EQ(found.size(), view.columns.size()) << view.name;
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i][0], view.columns[i].name);
    EXPECT_TRUE(Query("SELECT * FROM " + Quoted(view.name)).empty());  // every expression is one that SQLite takes
  }
  EXPECT_EQ(QueryOne("PRAGMA auto_vacuum"), "2");
  EXPECT_EQ(QueryOne("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(QueryOne("PRAGMA integrity_check"), "ok");
}

TEST_F(SchemaTest, TheScriptMakesTheSameSchema) {
  Execute(SqliteScript());
  const std::vector<SqlRow> from_script = Query(kWholeSchema);
  constexpr std::array kMarks = {"application_id", "user_version", "page_size", "auto_vacuum"};
  std::map<std::string, std::string> marks;
  for (const char* pragma : kMarks) marks[pragma] = QueryOne(absl::StrCat("PRAGMA ", pragma));
  const absl::StatusOr<std::vector<std::string>> missing = SqliteSchemaDiff(path_);
  ASSERT_TRUE(missing.ok()) << missing.status();
  EXPECT_TRUE(missing->empty()) << missing->front();
  path_ += ".upgraded";
  ASSERT_TRUE(Upgrade(path_).ok());
  EXPECT_EQ(Query(kWholeSchema), from_script);
  for (const char* pragma : kMarks) EXPECT_EQ(QueryOne(absl::StrCat("PRAGMA ", pragma)), marks[pragma]) << pragma;
}

// A fleet that is started with a new file: nobody is turned away because another one is making it.
TEST_F(SchemaTest, ManyMakeANewFileAtOnce) {
  constexpr int kRounds = 10;
  constexpr int kInstances = 4;
  const std::string first = path_;
  for (int round = 0; round < kRounds; ++round) {
    path_ = absl::StrCat(first, ".", round);
    std::barrier together(kInstances);
    std::vector<absl::Status> made(kInstances);
    std::vector<std::thread> instances;
    for (int i = 0; i < kInstances; ++i) {
      instances.emplace_back([&, i] {
        together.arrive_and_wait();
        made[i] = Upgrade(path_);
      });
    }
    for (std::thread& instance : instances) instance.join();
    for (const absl::Status& status : made) ASSERT_TRUE(status.ok()) << "round " << round << ": " << status;
    ASSERT_EQ(QueryOne("PRAGMA journal_mode"), "wal");
    ASSERT_EQ(QueryOne("PRAGMA auto_vacuum"), "2");
  }
}

// SQLite does not wait by itself where a file is to change its journal while another connection writes to it.
TEST_F(SchemaTest, TheJournalIsChangedOnceAnotherOneHasWritten) {
  Execute(SqliteScript());  // all is there, in the journal mode that SQLite begins with
  ASSERT_EQ(QueryOne("PRAGMA journal_mode"), "delete");
  absl::StatusOr<std::unique_ptr<Database>> other = Database::Open({.path = path_});
  ASSERT_TRUE(other.ok() && (*other)->Execute("BEGIN IMMEDIATE").ok());
  std::thread ends([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // the later, the surer Upgrade has come to it
    EXPECT_TRUE((*other)->Execute("COMMIT").ok());
  });
  const absl::Status made = Upgrade(path_);
  ends.join();
  EXPECT_TRUE(made.ok()) << made;
  EXPECT_EQ(QueryOne("PRAGMA journal_mode"), "wal");
}

TEST_F(SchemaTest, AFileThatIsUpToDateIsNotTouched) {
  ASSERT_TRUE(Upgrade(path_).ok());
  const std::string version = QueryOne("PRAGMA schema_version");
  // Not even its lock is needed.
  absl::StatusOr<std::unique_ptr<Database>> other = Database::Open({.path = path_});
  ASSERT_TRUE(other.ok() && (*other)->Execute("BEGIN IMMEDIATE").ok());
  EXPECT_TRUE(Upgrade(path_).ok());
  EXPECT_EQ(QueryOne("PRAGMA schema_version"), version);
}

TEST_F(SchemaTest, AMissingNullableColumnIsAdded) {
  ASSERT_TRUE(Upgrade(path_).ok());
  for (const codecs::View& view : codecs::Views()) Execute("DROP VIEW " + Quoted(view.name));
  Execute("ALTER TABLE events DROP COLUMN explained_by");
  Execute(
      "INSERT INTO events (ingest_date, log_time, topic, \"partition\", \"offset\", batch_index, log_epoch, "
      "ingested_at, event_id,"
      " event_time, backfill, kind, verdict_subject) VALUES ('2026-01-12', 1, 't', 0, 0, 0, 0, 1, 'e', 1, 0, "
      "'verdict', 'old')");
  ASSERT_TRUE(Upgrade(path_).ok());
  EXPECT_EQ(Query("SELECT verdict_subject, explained_by FROM run_verdicts"), (std::vector<SqlRow>{{"old", "NULL"}}));
  EXPECT_EQ(QueryOne("SELECT type FROM pragma_table_info('events') WHERE name = 'explained_by'"), "TEXT");
}

// Made anew, it would hide that history is gone.
TEST_F(SchemaTest, ATableThatWasDroppedIsToldAndNotMadeAnew) {
  SqliteSink sink(Options(), &recorder_, nullptr);
  ASSERT_TRUE(sink.Start().ok());
  ASSERT_TRUE(OpenPartition(&sink, 1, {"t", 0}).status.ok());
  ASSERT_EQ(SubmitBatch(&sink, 1, BatchOf({"t", 0}, {0, 0}, {RunEvent("j", "r", v1::RUNNING)})).kind,
            ingest::SubmitResult::Kind::kDone);
  for (const codecs::View& view : codecs::Views()) Execute("DROP VIEW " + Quoted(view.name));
  Execute("DROP TABLE events");
  const ingest::SubmitResult result =
      SubmitBatch(&sink, 1, BatchOf({"t", 0}, {1, 0}, {RunEvent("j", "r", v1::SUCCESS)}));
  EXPECT_EQ(result.kind, ingest::SubmitResult::Kind::kStopped);
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'events'"), "0");
  const absl::Status status = Upgrade(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("table events is missing"), std::string::npos) << status;
}

struct DriftCase {
  const char* name;
  const char* from;  // in CREATE TABLE events
  const char* to;
  std::vector<std::string> said;
};

class DriftTest : public WarehouseTest, public testing::WithParamInterface<DriftCase> {};

TEST_P(DriftTest, IsRefusedWithTableColumnWantedAndFound) {
  std::string sql = CreateTableSql(SqliteTables()[0]);
  const size_t at = sql.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  sql.replace(at, std::string(GetParam().from).size(), GetParam().to);
  Execute(sql);
  const std::vector<SqlRow> before = Query(kWholeSchema);

  const absl::Status status = Upgrade(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  for (const std::string& word : GetParam().said)
    EXPECT_NE(status.message().find(word), std::string::npos) << word << " in " << status;
  EXPECT_NE(status.message().find(path_), std::string::npos);
  EXPECT_EQ(Query(kWholeSchema), before) << "the file was changed";

  // And no row is written.
  SqliteSink sink(Options(), &recorder_, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(sink.Start()));
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenPartition(&sink, 1, {"t", 0}).status));
}

INSTANTIATE_TEST_SUITE_P(Schema, DriftTest,
                         testing::Values(DriftCase{"type",
                                                   "\"started_at\" INTEGER",
                                                   "\"started_at\" TEXT",
                                                   {"events", "started_at", "wanted INTEGER", "found TEXT"}},
                                         DriftCase{"required",
                                                   "\"event_id\" TEXT NOT NULL",
                                                   "\"event_id\" TEXT",
                                                   {"events", "event_id", "wanted TEXT NOT NULL", "found TEXT"}},
                                         DriftCase{"nullable",
                                                   "\"phase\" TEXT",
                                                   "\"phase\" TEXT NOT NULL",
                                                   {"events", "phase", "wanted TEXT", "found TEXT NOT NULL"}},
                                         DriftCase{
                                             "missing",
                                             "\"log_epoch\" INTEGER NOT NULL,",
                                             "",
                                             {"events", "log_epoch", "wanted INTEGER NOT NULL", "no such column"}},
                                         DriftCase{"extra",
                                                   "\"phase\" TEXT",
                                                   "\"phase\" TEXT,\n  \"mine\" TEXT NOT NULL",
                                                   {"events", "mine", "TEXT NOT NULL"}}),
                         [](const auto& drift) { return std::string(drift.param.name); });

TEST_F(SchemaTest, AnExtraColumnThatMayBeNullStays) {
  ASSERT_TRUE(Upgrade(path_).ok());
  Execute("ALTER TABLE events ADD COLUMN of_a_newer_version TEXT");
  Execute("ALTER TABLE events ADD COLUMN with_default INTEGER NOT NULL DEFAULT 7");
  ASSERT_TRUE(Upgrade(path_).ok());
  const auto sink = NewSink();
  Write(sink.get(), {RunEvent("j", "r", v1::RUNNING)});
  EXPECT_EQ(Query("SELECT of_a_newer_version, with_default FROM events"), (std::vector<SqlRow>{{"NULL", "7"}}));
}

TEST_F(SchemaTest, ViewsAndIndexesThatDifferAreMadeAnew) {
  ASSERT_TRUE(Upgrade(path_).ok());
  const std::vector<SqlRow> right = Query(kWholeSchema);
  Execute(
      "DROP VIEW run_verdicts; CREATE VIEW run_verdicts AS SELECT 1 AS old; DROP INDEX events_run; DROP INDEX "
      "events_kind;"
      " CREATE INDEX events_kind ON events (kind)");
  ASSERT_TRUE(Upgrade(path_).ok());
  EXPECT_EQ(Query(kWholeSchema), right);
}

TEST_F(SchemaTest, AnotherProgramsFileIsLeftAlone) {
  Execute("CREATE TABLE bookmarks (url TEXT)");
  const std::vector<SqlRow> before = Query(kWholeSchema);
  const absl::Status status = Upgrade(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("another program"), std::string::npos);
  EXPECT_EQ(Query(kWholeSchema), before);
}

TEST_F(SchemaTest, AFileOfANewerVersionIsRefused) {
  ASSERT_TRUE(Upgrade(path_).ok());
  Execute("PRAGMA user_version = 1000");
  const absl::Status status = Upgrade(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find("newer version"), std::string::npos);
}

// The searches that must not walk through the whole table.
TEST_F(SchemaTest, SearchesUseTheirIndex) {
  ASSERT_TRUE(Upgrade(path_).ok());
  const auto plan = [this](const std::string& sql) {
    std::string text;
    for (const SqlRow& row : Query("EXPLAIN QUERY PLAN " + sql)) text += row[3] + "\n";
    return text;
  };
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT run_id FROM processor_run_history WHERE data_date = '2026-01-12' AND status = 'failed'",
       "run_heads_data_date (kind=? AND data_date=? AND status=?)"},
      {"SELECT run_id, phase FROM processor_run_history WHERE data_date = '2026-01-12' AND status = 'failed' ORDER BY "
       "started_at DESC",
       "run_heads_data_date (kind=? AND data_date=? AND status=?)"},
      {"SELECT run_id FROM processor_run_history WHERE started_at > 1", "run_heads_started (kind=? AND started_at>?)"},
      {"SELECT run_id FROM processor_run_history WHERE processor_name = 'j'", "PRIMARY KEY (job_name=?"},
      {"SELECT phase, events FROM processor_run_history WHERE data_date = '2026-01-12'",
       "events_run (run_id=? AND job_name=? AND attempt=?)"},
      {"SELECT * FROM v_todays_scraper_summary", "run_heads_began"},
      {"SELECT run_id FROM scraper_execution_log WHERE triggered_at > 1", "run_heads_began (kind=? AND began_at>?)"},
      {"SELECT run_id FROM processor_run_history ORDER BY run_timestamp DESC LIMIT 5", "run_heads_began"},
      {"SELECT action FROM workflow_decisions", "events_kind (kind=?)"},
      {"SELECT action FROM workflow_decisions", "events_event_id (event_id=?"},
      {"SELECT rowid FROM events WHERE ingest_date < '2026-01-12' ORDER BY ingest_date LIMIT 5",
       "events_ingest_date (ingest_date<?)"},
  };
  for (const auto& [sql, index] : cases)
    EXPECT_NE(plan(sql).find(index), std::string::npos) << sql << "\n" << plan(sql);
  // What the heads hold is not looked up again.
  const std::string counted = plan(
      "SELECT COUNT(*), AVG(duration_seconds) FROM processor_run_history WHERE data_date > '2026' GROUP BY "
      "processor_name");
  EXPECT_EQ(counted.find("SUBQUERY"), std::string::npos) << counted;
}

}  // namespace
}  // namespace runledger::exporters
