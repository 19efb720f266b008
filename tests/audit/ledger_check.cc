#include "audit/ledger_check.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace runledger::audit {
namespace {

using nlohmann::json;
using reference::JobView;
using reference::Status;

constexpr const char* kAbout = "ledger";

// What the ledger says of a job, worked out from the fold.
json OfJob(const JobView& view, int32_t partition, bool covers_runs) {
  json job{{"partition", partition}, {"history_events", view.late_events}};
  if (!covers_runs) return job;
  std::map<Status, int64_t> final{{Status::kRunning, static_cast<int64_t>(view.running)}};
  job["started"] = view.started;
  for (const auto& [status, count] : view.finished) {
    job["finished"][reference::NameOf(status)] = count;
    final[status] += static_cast<int64_t>(count);
  }
  job["corrected"] = json::array();
  for (const auto& [change, count] : view.corrected) {
    job["corrected"].push_back(
        {{"from", reference::NameOf(change.first)}, {"to", reference::NameOf(change.second)}, {"count", count}});
    final[change.first] -= static_cast<int64_t>(count);
    final[change.second] += static_cast<int64_t>(count);
  }
  for (const auto& [status, count] : final) job["final"][reference::NameOf(status)] = count;
  return job;
}

}  // namespace

void LedgerCheck::Count(const reference::Decoded& decoded) {
  ++records_;
  for (const reference::Item& item : decoded.items) {
    if (!item.event) {
      ++rejected_[item.refusal.category];
      continue;
    }
    ++good_;
    if (!item.event->refused.empty()) ++refused_rows_;
    ++rows_by_kind_[item.event->kind];
    ++bodies_[{item.event->body, decoded.framing}];
  }
}

void LedgerCheck::Number(const std::string& what, int64_t in_log, int64_t in_ledger) {
  report_.Checked("numbers of the ledger");
  if (in_log != in_ledger) {
    report_.Differs(kAbout,
                    what + ": the log has " + std::to_string(in_log) + ", the ledger " + std::to_string(in_ledger));
  }
}

absl::Status LedgerCheck::CheckLedger(const std::string& text, const std::map<int32_t, reference::Fold>& folds) {
  const json ledger = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!ledger.is_object() || ledger.value("version", 0) != 1)
    return absl::InvalidArgumentError("this is no ledger of version 1");
  const auto all = [&](const std::string& what, const std::map<std::string, int64_t>& log) {
    const auto in_ledger = ledger.value(what, std::map<std::string, int64_t>());
    std::set<std::string> keys;
    for (const auto& [key, count] : log) keys.insert(key);
    for (const auto& [key, count] : in_ledger) keys.insert(key);
    for (const std::string& key : keys) {
      Number(what + " " + key, log.count(key) > 0 ? log.at(key) : 0, in_ledger.count(key) > 0 ? in_ledger.at(key) : 0);
    }
  };
  std::map<std::string, int64_t> letters = rejected_;
  if (refused_rows_ > 0) letters["schema"] += refused_rows_;
  int64_t rejected = 0;
  for (const auto& [category, count] : rejected_) rejected += count;
  Number("records", records_, ledger.value("records", int64_t{-1}));
  Number("good events", good_, ledger.value("good", int64_t{-1}));
  Number("events", good_ + rejected, ledger.value("events", int64_t{-1}));
  Number("refused rows", refused_rows_, ledger.value("refused_rows", int64_t{-1}));
  Number("dead letters", rejected + refused_rows_, ledger.value("dead_letter_identities", int64_t{-1}));
  all("rows_by_kind", rows_by_kind_);
  all("rejected", rejected_);
  all("dead_letters", letters);

  auto bodies = bodies_;
  for (const json& entry : ledger.value("events_by_body_and_framing", json::array())) {
    const std::pair<std::string, std::string> key{entry.value("body", ""), entry.value("framing", "")};
    Number("events of body " + key.first + " in " + key.second, bodies[key], entry.value("count", int64_t{-1}));
    bodies.erase(key);
  }
  for (const auto& [key, count] : bodies) Number("events of body " + key.first + " in " + key.second, count, 0);

  const bool covers_runs = ledger.value("covers_runs", false);
  if (!covers_runs) report_.Note("the ledger does not cover runs: some of their events are history by age");
  json jobs = ledger.value("jobs", json::object());
  int64_t history = 0;
  for (const auto& [partition, fold] : folds) {
    for (const auto& [name, view] : fold.Jobs(std::nullopt)) {
      report_.Checked("jobs of the ledger");
      history += static_cast<int64_t>(view.late_events);
      const json in_log = OfJob(view, partition, covers_runs);
      const json in_ledger = jobs.value(name, json());
      if (in_log != in_ledger) {
        report_.Differs(kAbout, "job " + name + ": the log has " + in_log.dump() + ", the ledger " + in_ledger.dump());
      }
      jobs.erase(name);
    }
  }
  Number("history events", history, ledger.value("history_events", int64_t{-1}));
  for (const auto& [name, job] : jobs.items()) report_.Differs(kAbout, "job " + name + " is not in the log");
  return absl::OkStatus();
}

void LedgerCheck::CheckOwnCounters(const Scrape& scrape, const std::string& topic) {
  const auto number = [&](const std::string& key, int64_t expected) {
    report_.Checked("own counters");
    const auto found = scrape.own.find(key);
    const double actual = found == scrape.own.end() ? 0 : found->second;
    if (actual != static_cast<double>(expected)) {
      report_.Differs("own counters", scrape.name + ": " + key + " is " + PlainNumber(actual) + ", should be " +
                                          std::to_string(expected));
    }
  };
  for (const auto& [key, count] : bodies_) {
    number(SeriesKey("events_total", {{"of_topic", topic}, {"body", key.first}, {"framing", key.second}}), count);
  }
  std::map<std::string, int64_t> letters = rejected_;
  if (refused_rows_ > 0) letters["schema"] += refused_rows_;
  for (const auto& [category, count] : rejected_)
    number(SeriesKey("events_rejected_total", {{"category", category}}), count);
  for (const auto& [category, count] : letters)
    number(SeriesKey("dead_letters_total", {{"category", category}}), count);
}

}  // namespace runledger::audit
