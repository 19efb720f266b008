#include "audit/audit.h"
#include "ingest/kafka/types.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "audit/fold_check.h"
#include "audit/ledger_check.h"
#include "audit/letters_check.h"
#include "audit/rows_check.h"
#include "audit/scrape.h"
#include "audit/settings.h"
#include "ingest/kafka/types.h"

namespace runledger::audit {
namespace {

absl::StatusOr<std::string> FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError("cannot read " + path);
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

absl::StatusOr<Settings> SettingsOf(const AuditOptions& options) {
  if (options.config.empty()) return Settings{};
  const absl::StatusOr<std::string> yaml = FileText(options.config);
  if (!yaml.ok()) return yaml.status();
  return ParseSettings(*yaml, options.topic);
}

}  // namespace

absl::Status Audit(const AuditOptions& options, const TopicReader& read, Report* report) {
  const absl::StatusOr<Settings> settings = SettingsOf(options);
  if (!settings.ok()) return settings.status();
  std::vector<Scrape> scrapes;
  if (!options.scrapes.empty()) {
    absl::StatusOr<std::vector<Scrape>> found = ReadScrapes(options.scrapes, options.topic);
    if (!found.ok()) return found.status();
    scrapes = std::move(*found);
    if (scrapes.empty()) report->Differs("scrapes", "there is none in " + options.scrapes);
  }

  FoldCheck folds(settings->state, settings->policies, scrapes, report);
  if (options.partition_counts.size() > 1) {
    folds.SetMoved([&counts = options.partition_counts](int32_t partition, const std::string& job) {
      const auto home = [&](int32_t count) { return kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, count); };
      return home(counts.back()) != partition &&
             std::any_of(counts.begin(), counts.end(), [&](int32_t count) { return home(count) == partition; });
    });
  }
  RowsCheck rows(report);
  LettersCheck letters(options.topic, report);
  LedgerCheck ledger(report);
  absl::Status status = read(options.topic, [&](const LogRecord& record) {
    const reference::Decoded decoded = reference::Decode(
        {record.value, record.has_value, record.headers, record.timestamp_us}, settings->limits, settings->framing);
    std::vector<reference::Event> events;
    for (const reference::Item& item : decoded.items) {
      if (!item.event) continue;
      rows.Expect(record, item.index, *item.event);
      events.push_back(*item.event);
    }
    report->Checked("records of the log");
    report->Checked("good events of the log", static_cast<int64_t>(events.size()));
    letters.Expect(record, decoded);
    ledger.Count(decoded);
    folds.Add(record, events);
  });
  if (!status.ok()) return status;
  folds.Finish();

  if (!options.dead_letter_topic.empty()) {
    status = read(options.dead_letter_topic, [&](const LogRecord& letter) { letters.Found(letter); });
    if (!status.ok()) return status;
    letters.Finish();
  }
  if (!options.sqlite.empty()) {
    if (status = rows.CheckSqlite(options.sqlite, options.topic); !status.ok()) return status;
  }
  if (!options.ledger.empty()) {
    const absl::StatusOr<std::string> text = FileText(options.ledger);
    if (!text.ok()) return text.status();
    if (status = ledger.CheckLedger(*text, folds.folds()); !status.ok()) return status;
  }
  if (options.fresh && folds.last_scrape_is_final()) ledger.CheckOwnCounters(scrapes.back(), options.topic);
  if (!scrapes.empty() && !folds.last_scrape_is_final()) {
    report->Note("the last scrape was taken before everything was read and durable: own counters are not checked");
  }
  return absl::OkStatus();
}

}  // namespace runledger::audit
