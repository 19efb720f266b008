#include "tools/generate/ledger.h"

#include <nlohmann/json.hpp>

namespace runledger::tools {
namespace {

using Json = nlohmann::ordered_json;

Json ByStatus(const std::array<int64_t, 8>& counts, int first) {
  Json json = Json::object();
  for (int status = first; status < 8; ++status) json[StatusWord(status)] = counts[static_cast<size_t>(status)];
  return json;
}

Json OfJob(const Ledger::Job& job, bool covers_runs) {
  Json json{{"partition", job.partition}, {"history_events", job.history_events}};
  if (!covers_runs) return json;
  json["started"] = job.started;
  json["finished"] = ByStatus(job.finished, 2);
  json["final"] = ByStatus(job.final, 1);
  json["corrected"] = Json::array();
  for (const auto& [change, count] : job.corrected) {
    json["corrected"].push_back(
        {{"from", StatusWord(change.first)}, {"to", StatusWord(change.second)}, {"count", count}});
  }
  return json;
}

}  // namespace

const char* StatusWord(int status) {
  static constexpr const char* kWords[] = {"",        "running", "success", "no_data",
                                           "partial", "skipped", "failed",  "aborted"};
  return kWords[status];
}

int64_t Ledger::rejected() const {
  int64_t sum = 0;
  for (const auto& [category, count] : rejected_by_category) sum += count;
  return sum;
}

std::map<std::string, int64_t> Ledger::dead_letters() const {
  std::map<std::string, int64_t> letters = rejected_by_category;
  if (refused_rows > 0) letters["schema"] += refused_rows;
  return letters;
}

void Ledger::CountGood(const SentEvent& event, const std::string& framing, const std::string& job, RunTally* tally) {
  ++good;
  ++rows_by_kind[event.kind];
  ++events_by_body_and_framing[{event.body, framing}];
  if (event.body != "run") return;
  Job& of = jobs[job];
  if (event.history) {
    ++history_events;
    ++of.history_events;
    return;
  }
  if (!tally->started) {
    tally->started = true;
    ++of.started;
  }
  const std::tuple<int, int64_t, int64_t> key{event.rank, event.time_us, event.sequence};
  if (event.rank > 0 && tally->finished == 0) {
    tally->finished = event.status;
    ++of.finished[static_cast<size_t>(event.status)];
    tally->status = event.status;
    tally->greatest = key;
  } else if (key > tally->greatest) {
    if (event.rank > 0 && tally->status != event.status) ++of.corrected[{tally->status, event.status}];
    tally->status = event.status;
    tally->greatest = key;
  }
}

void Ledger::CountRefusedRow(const std::string& what) {
  ++refused_rows;
  ++refused_kinds[what];
}

void Ledger::CountRejected(const std::string& what, const std::string& category) {
  ++rejected_by_category[category];
  ++bad_kinds[what];
}

void Ledger::Settle(const std::string& job, RunTally* tally) {
  if (--tally->outstanding > 0 || !tally->started) return;
  ++jobs[job].final[static_cast<size_t>(tally->status)];
}

std::string Ledger::ToJson() const {
  Json json;
  json["version"] = 1;
  json["topic"] = options.topic;
  json["seed"] = options.seed;
  json["partitions"] = options.partitions;
  json["start_us"] = options.start_us;
  json["span_us"] = options.span_us;
  json["append_time"] = options.append_time;
  json["covers_runs"] = covers_runs;
  json["events"] = good + rejected();
  json["records"] = records;
  json["good"] = good;
  json["rows_by_kind"] = rows_by_kind;
  json["refused_rows"] = refused_rows;
  json["refused_kinds"] = refused_kinds;
  json["rejected"] = rejected_by_category;
  json["bad_kinds"] = bad_kinds;
  json["dead_letters"] = dead_letters();
  json["dead_letter_identities"] = rejected() + refused_rows;
  json["history_events"] = history_events;
  json["events_by_body_and_framing"] = Json::array();
  for (const auto& [key, count] : events_by_body_and_framing) {
    json["events_by_body_and_framing"].push_back({{"body", key.first}, {"framing", key.second}, {"count", count}});
  }
  json["jobs"] = Json::object();
  for (const auto& [name, job] : jobs) json["jobs"][name] = OfJob(job, covers_runs);
  return json.dump(2) + "\n";
}

}  // namespace runledger::tools
