#include "exporters/warehouse/sqlite_heads.h"

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "codecs/events_table.h"
#include "exporters/warehouse/sqlite_schema.h"

namespace runledger::exporters {
namespace {

constexpr const char* kRunIs = " WHERE job_name = ?1 AND run_id = ?2 AND attempt = ?3";

// Columns that a head takes from its row.
struct Sources {
  const size_t job_name = codecs::EventColumnIndex("job_name"), run_id = codecs::EventColumnIndex("run_id");
  const size_t attempt = codecs::EventColumnIndex("attempt"), kind = codecs::EventColumnIndex("kind");
  const size_t status = codecs::EventColumnIndex("status"), data_date = codecs::EventColumnIndex("data_date");
  const size_t started_at = codecs::EventColumnIndex("started_at");
  const size_t duration_seconds = codecs::EventColumnIndex("duration_seconds");
};

const Sources& From() {
  static const Sources kSources;
  return kSources;
}

// In a statement that sets them, columns have these parameters.
constexpr std::pair<std::string_view, int> kParameters[] = {
    {"kind", 4},     {"rank", 5},        {"event_time", 6},  {"sequence", 7},
    {"event_id", 8}, {"event_rowid", 9}, {"said", 10},       {"duration_seconds", 11},
    {"status", 12},  {"data_date", 13},  {"started_at", 14},
};

std::string ParameterOf(std::string_view column) {
  for (const auto& [name, parameter] : kParameters) {
    if (name == column) return absl::StrCat("?", parameter);
  }
  return "NULL";
}

std::string BeganSql() { return codecs::ExpandColumns(codecs::kRunBegan.sqlite, ParameterOf); }

std::string InsertSql() {
  std::string names = "INSERT INTO run_heads (job_name, run_id, attempt";
  std::string values = ") VALUES (?1, ?2, ?3";
  for (const auto& [name, parameter] : kParameters) {
    absl::StrAppend(&names, ", ", std::string(name));
    absl::StrAppend(&values, ", ?", parameter);
  }
  return absl::StrCat(names, ", began_at", values, ", ", BeganSql(), ")");
}

std::string ReplaceSql() {
  std::string sql = absl::StrCat("UPDATE run_heads SET began_at = ", BeganSql());
  for (const auto& [name, parameter] : kParameters) absl::StrAppend(&sql, ", ", std::string(name), " = ?", parameter);
  return absl::StrCat(sql, kRunIs);
}

std::string NewestOf(std::string_view column) {
  const std::string name(column);
  return absl::StrCat("(SELECT ", name, " FROM events", kRunIs, " AND ", name, " IS NOT NULL ORDER BY ",
                      SqliteMergeOrder({}), " LIMIT 1)");
}

// The head of a run, made of its events.
std::string RemakeSql() {
  const std::string greatest =
      absl::StrCat("SELECT job_name, run_id, attempt, kind, ", SqliteMergeRank({}),
                   " AS rank, event_time, COALESCE(sequence, 0) AS sequence, event_id,"
                   " rowid AS event_rowid, (SELECT ",
                   SqliteSaid(), " FROM events", kRunIs, ") AS said, duration_seconds, status, ", NewestOf("data_date"),
                   " AS data_date, ", NewestOf("started_at"), " AS started_at FROM events", kRunIs, " ORDER BY ",
                   SqliteMergeOrder({}), " LIMIT 1");
  return absl::StrCat(
      "INSERT INTO run_heads (job_name, run_id, attempt, kind, rank, event_time, sequence, event_id, event_rowid, said,"
      " duration_seconds, status, data_date, started_at, began_at) SELECT *, ",
      codecs::ExpandColumns(codecs::kRunBegan.sqlite, [](std::string_view name) { return Quoted(name); }), " FROM (",
      greatest, ")");
}

void BindRun(Statement* statement, std::string_view job_name, std::string_view run_id, int64_t attempt) {
  statement->BindText(1, job_name);
  statement->BindText(2, run_id);
  statement->BindInteger(3, attempt);
}

}  // namespace

absl::Status SqliteHeads::Prepare(Database* database) {
  for (size_t i = 0; i < codecs::EventColumns().size(); ++i) {
    if (const std::optional<int> bit = SaidBit(codecs::EventColumns()[i].name)) bits_.emplace_back(i, *bit);
  }
  const std::pair<Statement*, std::string> statements[] = {
      {&head_,
       absl::StrCat(
           "SELECT rank, event_time, sequence, event_id, kind, status, data_date, started_at, said FROM run_heads",
           kRunIs)},
      {&insert_, InsertSql()},
      {&replace_, ReplaceSql()},
      {&touch_, absl::StrCat("UPDATE run_heads SET rank = ?5, event_time = ?6, sequence = ?7, event_id = ?8, "
                             "event_rowid = ?9, said = ?10,"
                             " duration_seconds = ?11",
                             kRunIs)},
      {&add_said_, absl::StrCat("UPDATE run_heads SET said = said | ?10", kRunIs)},
      {&lacks_,
       "SELECT 1 FROM run_heads JOIN events ON events.rowid = event_rowid"
       " WHERE run_heads.job_name = ?1 AND run_heads.run_id = ?2 AND run_heads.attempt = ?3"
       " AND ((?4 AND events.data_date IS NULL) OR (?5 AND events.started_at IS NULL))"},
      {&remove_, absl::StrCat("DELETE FROM run_heads", kRunIs)},
      {&remake_, RemakeSql()},
  };
  for (const auto& [statement, sql] : statements) {
    absl::StatusOr<Statement> prepared = database->Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = std::move(*prepared);
  }
  return absl::OkStatus();
}

absl::Status SqliteHeads::Add(const codecs::Row& row, const codecs::Event& event, int64_t rowid) {
  Said said = Read(row, event, rowid);
  BindRun(&head_, said.job_name, said.run_id, said.attempt);
  const absl::StatusOr<bool> found = head_.Step();
  if (!found.ok()) return found.status();
  if (!*found) return Store(&insert_, said);
  const codecs::MergeKey key{static_cast<uint8_t>(head_.Integer(0)), head_.Integer(1), head_.Integer(2), head_.Text(3)};
  absl::Status status = said.key > key ? Overtake(std::move(said)) : AddLesser(said);
  head_.Reset();
  return status;
}

SqliteHeads::Said SqliteHeads::Read(const codecs::Row& row, const codecs::Event& event, int64_t rowid) {
  const Sources& from = From();
  Said said{.job_name = row[from.job_name].text,
            .run_id = row[from.run_id].text,
            .kind = row[from.kind].text,
            .status = row[from.status].text,
            .attempt = row[from.attempt].integer,
            .key = codecs::MergeKeyOf(event),
            .rowid = rowid,
            .data_date = row[from.data_date],
            .started_at = row[from.started_at],
            .duration_seconds = row[from.duration_seconds],
            .data_date_text = {},
            .bits = 0};
  if (!said.data_date.null) {
    said.data_date_text = codecs::FormatDate(static_cast<int32_t>(said.data_date.integer));
    said.data_date.text = said.data_date_text;
  }
  for (const auto& [column, bit] : bits_) {
    if (!row[column].null) said.bits |= int64_t{1} << bit;
  }
  return said;
}

// The greater event takes the head over; what it does not say of date and start stays as the lesser ones said.
absl::Status SqliteHeads::Overtake(Said said) {
  said.bits |= head_.Integer(8);
  bool same = said.kind == head_.Text(4) && said.status == head_.Text(5);
  if (said.data_date.null) {
    if (!head_.IsNull(6)) said.data_date_text = head_.Text(6);
    said.data_date.null = head_.IsNull(6);
  } else {
    same = same && !head_.IsNull(6) && said.data_date_text == head_.Text(6);
  }
  if (said.started_at.null) {
    said.started_at.null = head_.IsNull(7);
    said.started_at.integer = head_.Integer(7);
  } else {
    same = same && !head_.IsNull(7) && said.started_at.integer == head_.Integer(7);
  }
  // Nothing that is searched for has changed, as with every heartbeat: the indexes stay as they are. Without a start
  // began_at moves with the event.
  return Store(same && !said.started_at.null ? &touch_ : &replace_, said);
}

// Late or repeated. It matters to the head only where the greatest event lacks what this one says.
absl::Status SqliteHeads::AddLesser(const Said& said) {
  if ((said.bits & ~head_.Integer(8)) != 0) {
    BindRun(&add_said_, said.job_name, said.run_id, said.attempt);
    add_said_.BindInteger(10, said.bits);
    if (absl::Status status = add_said_.Run(); !status.ok()) return status;
  }
  if (said.data_date.null && said.started_at.null) return absl::OkStatus();
  BindRun(&lacks_, said.job_name, said.run_id, said.attempt);
  lacks_.BindInteger(4, said.data_date.null ? 0 : 1);
  lacks_.BindInteger(5, said.started_at.null ? 0 : 1);
  const absl::StatusOr<bool> lacking = lacks_.Step();
  if (!lacking.ok()) return lacking.status();
  lacks_.Reset();
  if (!*lacking) return absl::OkStatus();
  return Remake({std::string(said.job_name), std::string(said.run_id), said.attempt});
}

// To a statement that has no parameter for it, a value is nothing.
absl::Status SqliteHeads::Store(Statement* statement, const Said& said) {
  BindRun(statement, said.job_name, said.run_id, said.attempt);
  statement->BindText(4, said.kind);
  statement->BindInteger(5, said.key.rank);
  statement->BindInteger(6, said.key.time_us);
  statement->BindInteger(7, said.key.sequence);
  statement->BindText(8, said.key.id);
  statement->BindInteger(9, said.rowid);
  statement->BindInteger(10, said.bits);
  said.duration_seconds.null ? statement->BindNull(11) : statement->BindReal(11, said.duration_seconds.number);
  statement->BindText(12, said.status);
  said.data_date.null ? statement->BindNull(13) : statement->BindText(13, said.data_date_text);
  said.started_at.null ? statement->BindNull(14) : statement->BindInteger(14, said.started_at.integer);
  return statement->Run();
}

absl::Status SqliteHeads::Remake(const RunKey& run) {
  for (Statement* statement : {&remove_, &remake_}) {
    BindRun(statement, run.job_name, run.run_id, run.attempt);
    if (absl::Status status = statement->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace runledger::exporters
