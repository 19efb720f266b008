#include "audit/fake_run.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <fstream>

#include "codecs/row.h"

namespace runledger::audit {
namespace {

using aggregators::JobBlock;
using aggregators::kNever;

constexpr const char* kLetterTopic = "runledger.dead-letters";

class MemorySink : public tools::Sink {
 public:
  explicit MemorySink(std::vector<tools::GeneratedRecord>* records) : records_(*records) {}
  absl::Status Write(const tools::GeneratedRecord& record) override {
    records_.push_back(record);
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  std::vector<tools::GeneratedRecord>& records_;
};

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

struct FakeRun::Database {
  sqlite3* db = nullptr;
  sqlite3_stmt* insert = nullptr;

  explicit Database(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    Exec(
        "CREATE TABLE events (topic, partition, \"offset\", batch_index, event_id, kind, status, job_name, run_id, "
        "attempt, refused)");
    Exec("BEGIN");
    EXPECT_EQ(sqlite3_prepare_v2(db, "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)", -1, &insert, nullptr),
              SQLITE_OK);
  }
  ~Database() {
    sqlite3_finalize(insert);
    sqlite3_close(db);
  }
  void Exec(const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql;
  }
  void BindText(int at, std::string_view text) {
    sqlite3_bind_text(insert, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
};

// Takes the events of one record.
class FakeRun::Visitor : public codecs::EventVisitor {
 public:
  Visitor(FakeRun* run, const tools::GeneratedRecord& record, int64_t offset)
      : run_(*run), record_(record), offset_(offset) {}

  void OnEvent(int32_t index, const codecs::Event& event) override {
    run_.partitions_.at(record_.partition).shard->Apply(event);
    const codecs::ColumnRefusal refusal = encoder_.Check(event);
    const std::string refused = refusal ? codecs::RefusalText(refusal) : "";
    if (refusal) {
      AddLetter(index, "schema", refused, event.alone ? record_.value : std::optional(std::string(event.source)),
                !event.alone);
    }
    Database& db = *run_.database_;
    sqlite3_reset(db.insert);
    sqlite3_clear_bindings(db.insert);
    db.BindText(1, run_.options_.topic);
    sqlite3_bind_int(db.insert, 2, record_.partition);
    sqlite3_bind_int64(db.insert, 3, offset_);
    sqlite3_bind_int(db.insert, 4, index);
    db.BindText(5, event.id);
    db.BindText(6, codecs::RowKind(event));
    const bool run = event.body == codecs::Body::kRun;
    if (run) db.BindText(7, codecs::StatusName(event.run.status));
    const std::string_view job = run ? event.run.job_name : event.other.job_name;
    if (!job.empty()) db.BindText(8, job);
    if (run) db.BindText(9, event.run.run_id);
    if (run) sqlite3_bind_int(db.insert, 10, event.run.attempt);
    if (refusal) db.BindText(11, refused);
    EXPECT_EQ(sqlite3_step(db.insert), SQLITE_DONE);
  }

  void OnRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole) override {
    AddLetter(index, std::string(codecs::CategoryName(rejection.category)), rejection.text,
              whole ? record_.value : std::optional(std::string(bytes)), !whole);
  }

  // The record has been decoded: events taken out of it say what they are now.
  void NameEvents(codecs::Framing framing) {
    for (const size_t at : taken_out_) {
      Letter& letter = run_.letters_[at];
      for (auto& [name, value] : letter.headers) {
        if (name.starts_with("content-")) name.insert(0, "runledger-original-");
      }
      letter.headers.emplace_back("content-type", framing == codecs::Framing::kJson
                                                      ? "application/json"
                                                      : "application/x-protobuf; messageType=runledger.v1.Event");
    }
  }

 private:
  void AddLetter(int32_t index, const std::string& category, const std::string& reason,
                 std::optional<std::string> value, bool taken_out) {
    if (taken_out) taken_out_.push_back(run_.letters_.size());
    Letter letter{record_.key, std::move(value), record_.headers};
    letter.headers.insert(letter.headers.end(), {{"runledger-category", category},
                                                 {"runledger-reason", reason},
                                                 {"runledger-topic", run_.options_.topic},
                                                 {"runledger-partition", std::to_string(record_.partition)},
                                                 {"runledger-offset", std::to_string(offset_)},
                                                 {"runledger-index", std::to_string(index)},
                                                 {"runledger-first-seen", "2026-01-12T11:30:08Z"},
                                                 {"runledger-attempts", "1"}});
    run_.letters_.push_back(std::move(letter));
  }

  FakeRun& run_;
  const tools::GeneratedRecord& record_;
  const int64_t offset_;
  std::vector<size_t> taken_out_;  // letters of one event among others
  codecs::RowEncoder encoder_{codecs::SecretNames()};
};

FakeRun::FakeRun(const tools::GenerateOptions& options, const std::filesystem::path& directory, int scrapes)
    : options_(options), directory_(directory) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory / "scrapes");
  MemorySink sink(&log_);
  tools::Ledger ledger;
  EXPECT_TRUE(tools::Generate(options, sink, &ledger).ok());
  std::ofstream(directory / "ledger.json") << ledger.ToJson();
  database_ = std::make_unique<Database>((directory / "events.db").string());
  int taken = 0;
  for (size_t i = 0; i < log_.size(); ++i) {
    Write(log_[i]);
    if (static_cast<size_t>(scrapes) * (i + 1) < log_.size() * static_cast<size_t>(taken + 1)) continue;
    ++taken;
    TakeScrape(taken - 1, /*judged=*/taken % 3 != 0 || taken == scrapes);
  }
  database_->Exec("COMMIT");
}

FakeRun::~FakeRun() = default;

void FakeRun::Write(const tools::GeneratedRecord& record) {
  Partition& partition = partitions_[record.partition];
  if (partition.shard == nullptr) {
    partition.shard =
        std::make_unique<aggregators::Shard>(aggregators::ShardOptions{}, std::make_shared<aggregators::JobPolicies>());
  }
  codecs::FramingHeaders headers;
  for (const auto& [name, value] : record.headers) {
    if (name == "content-type") headers.content_type = value;
    if (name == "content-encoding") headers.content_encoding = value;
  }
  const int64_t stamp_us = record.timestamp_us / 1000 * 1000;
  Visitor visitor(this, record, partition.next_offset++);
  partition.shard->BeginRecord(stamp_us, aggregators::TimestampKind::kCreateTime);
  const std::string_view value = record.value ? std::string_view(*record.value) : std::string_view();
  visitor.NameEvents(decoder_.Decode({value, !record.value, headers, stamp_us}, &visitor).framing);
  partition.shard->EndRecord();
}

std::filesystem::path FakeRun::scrape(int number) const {
  char name[32];
  std::snprintf(name, sizeof name, "%04d.txt", number);
  return directory_ / "scrapes" / name;
}

void FakeRun::Sql(const std::string& statement) { database_->Exec(statement); }

void FakeRun::TakeScrape(int number, bool judged) {
  std::ofstream out(scrape(number));
  out << "# HELP runledger_runs_started_total Runs that began.\n# TYPE runledger_runs_started_total counter\n";
  for (auto& [partition, state] : partitions_) {
    // The watermark goes its own way, ahead of the log or behind it.
    if (judged) state.shard->AdvanceWatermark(state.shard->log_time_us() + (number % 5 - 2) * 977'000'011);
    EXPECT_TRUE(state.shard->Publish({}));
    const auto block = state.shard->Read();
    const std::string place = "topic=\"" + options_.topic + "\",partition=\"" + std::to_string(partition) + "\"";
    out << "runledger_log_applied_offset{" << place << "} " << state.next_offset << "\n";
    out << "runledger_log_acked_offset{" << place << "} " << state.next_offset << "\n";
    const bool known = block->positions.watermark_us != kNever;
    if (known)
      out << "runledger_log_watermark_timestamp_seconds{" << place << "} "
          << Number(static_cast<double>(block->positions.watermark_us) / 1e6) << "\n";
    out << TextOfJobs(place, *block, known);
  }
  out << "process_cpu_seconds_total 1.5\n# EOF\n";
}

std::string FakeRun::TextOfJobs(const std::string& place, const aggregators::ShardBlock& block, bool judged) const {
  std::string text;
  for (size_t i = 0; i < block.jobs.size(); ++i) {
    if (block.labels[i] == nullptr) continue;
    const JobBlock& job = block.jobs[i];
    const std::string base = place + ",processor=\"" + Escaped(block.labels[i]->name) + "\",phase=\"" +
                             Escaped(block.labels[i]->phase) + "\"";
    const auto add = [&](const std::string& name, double value, const std::string& more = "") {
      text += "runledger_" + name + "{" + base + more + "} " + Number(value) + "\n";
    };
    const auto time = [&](const std::string& name, int64_t us) {
      if (us != kNever) add(name, static_cast<double>(us) / 1e6);
    };
    add("late_events_total", static_cast<double>(job.late_events));
    if (!job.live) continue;
    add("runs_started_total", static_cast<double>(job.started));
    for (const codecs::Status status : codecs::kAllTerminalStatuses) {
      const auto index = static_cast<size_t>(codecs::TerminalIndex(status));
      add("runs_finished_total", static_cast<double>(job.finished[index]),
          ",status=\"" + std::string(codecs::StatusName(status)) + "\"");
      if (job.finished[index] > 0)
        text.insert(text.size() - 1,
                    " # {run_id=\"" + std::string(block.exemplars[i][index].text()) + "\"} 1 1768217408.5");
    }
    for (const aggregators::Correction& c : block.corrections) {
      if (c.job != i) continue;
      add("runs_corrected_total", static_cast<double>(c.count),
          ",from=\"" + std::string(codecs::StatusName(c.from)) + "\",to=\"" + std::string(codecs::StatusName(c.to)) +
              "\"");
    }
    add("runs_forgotten_total", static_cast<double>(job.forgotten));
    add("run_duration_seconds_sum", job.duration_sum_s);
    add("run_duration_seconds_count", static_cast<double>(job.duration_count));
    add("runs_running", static_cast<double>(job.running));
    add("consecutive_failures", static_cast<double>(job.consecutive_failures));
    time("oldest_running_start_timestamp_seconds", job.oldest_running_start_us);
    time("last_start_timestamp_seconds", job.last_start_us);
    time("last_success_timestamp_seconds", job.last_success_us);
    time("last_failure_timestamp_seconds", job.last_failure_us);
    if (job.last_duration_s >= 0) add("last_run_duration_seconds", job.last_duration_s);
    add("job_info", 1, ",priority=\"\",display_name=\"\"");
    if (!judged) continue;
    add("runs_stale", static_cast<double>(job.stale));
    add("runs_silent", static_cast<double>(job.silent));
    add("runs_timed_out", static_cast<double>(job.timed_out));
    add("job_stale", job.job_stale ? 1 : 0);
    for (size_t w = 0; w < job.windows.size(); ++w) {
      if (job.windows[w].all == 0) continue;
      add("success_ratio", static_cast<double>(job.windows[w].good) / static_cast<double>(job.windows[w].all),
          ",window=\"" + std::string(aggregators::kWindowNames[w]) + "\"");
    }
  }
  for (size_t i = 0; i < block.phases.size(); ++i) {
    const aggregators::PhaseLabels& labels = *block.phase_labels[i];
    const std::string base =
        "{" + place + ",phase=\"" + Escaped(labels.phase) + "\",workflow=\"" + Escaped(labels.workflow) + "\"";
    uint64_t below = 0;
    for (size_t b = 0; b < block.phases[i].counts.size(); ++b) {
      below += block.phases[i].counts[b];
      const std::string bound =
          b < aggregators::kDurationBoundsS.size() ? std::to_string(aggregators::kDurationBoundsS[b]) : "+Inf";
      text += "runledger_phase_run_duration_seconds_bucket" + base + ",le=\"" + bound + "\"} " + std::to_string(below) +
              "\n";
    }
    text += "runledger_phase_run_duration_seconds_sum" + base + "} " + Number(block.phases[i].sum_s) + "\n";
    text += "runledger_phase_run_duration_seconds_count" + base + "} " + std::to_string(below) + "\n";
  }
  return text;
}

absl::Status FakeRun::Audit(Report* report) {
  AuditOptions options;
  options.topic = options_.topic;
  options.dead_letter_topic = kLetterTopic;
  options.scrapes = (directory_ / "scrapes").string();
  options.sqlite = (directory_ / "events.db").string();
  options.ledger = (directory_ / "ledger.json").string();
  return audit::Audit(
      options,
      [&](const std::string& topic, const RecordVisitor& visit) {
        std::map<int32_t, int64_t> next;
        LogRecord record;
        const auto fill = [&](const auto& from) {
          record.offset = next[record.partition]++;
          record.key = from.key ? std::optional<std::string_view>(*from.key) : std::nullopt;
          record.has_value = from.value.has_value();
          record.value = from.value ? std::string_view(*from.value) : std::string_view();
          record.headers = from.headers;
          visit(record);
        };
        record.by_broker = false;
        if (topic == kLetterTopic) {
          for (const Letter& letter : letters_) fill(letter);
          return absl::OkStatus();
        }
        for (const tools::GeneratedRecord& generated : log_) {
          record.partition = generated.partition;
          record.timestamp_us = generated.timestamp_us / 1000 * 1000;
          fill(generated);
        }
        return absl::OkStatus();
      },
      report);
}

}  // namespace runledger::audit
