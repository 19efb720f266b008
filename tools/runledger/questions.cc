#include "tools/runledger/questions.h"

#include <cmath>
#include <cstdio>

#include "codecs/civil_time.h"
#include "codecs/status.h"
#include "exporters/http_fetch/http_fetch.h"
#include "exporters/warehouse/sqlite_reader.h"
#include "tools/runledger/ask_fleet.h"
#include "tools/runledger/ask_instance.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/text_table.h"
#include "tools/runledger/trace_page.h"
#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

std::string Ratio(const Json& value) {
  if (!value.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", value.get<double>() * 100);
  return text;
}

std::string StateOf(const Json& run) {
  if (!run.contains("verdict")) return Text(run["status"]);
  const std::string verdict = Text(run["verdict"]);
  return verdict == "unknown" && run.contains("at_watermark") ? "unknown (was " + Text(run["at_watermark"]) + ")"
                                                              : verdict;
}

void PrintRuns(const Json& runs) {
  TextTable table({"job", "run", "try", "state", "date", "started (UTC)", "last event", "seconds"});
  for (const Json& run : runs) {
    table.Add({Text(run["job"]), Text(run["run_id"]), Text(run["attempt"]), StateOf(run), Text(run["data_date"]),
               Time(run["started_at"]), Time(run["last_event_at"]), Text(run["duration_seconds"])});
  }
  std::fputs(table.ToString().c_str(), stdout);
}

// The warning of a run that died while "running", in the words that operators know.
void WarnStale(const Json& run, const Json& as_of) {
  const auto now = ParseTime(as_of);
  const auto start = ParseTime(run["started_at"]);
  if (!now || !start) return;
  std::printf(
      "STALE RUNNING DETECTED: %s%s has been 'running' for %s (threshold: %s). Run ID: %s\n", Text(run["job"]).c_str(),
      run["data_date"].is_string() ? (" on " + Text(run["data_date"])).c_str() : "",
      HumanDuration(*now - *start).c_str(),
      FormatDuration(static_cast<int64_t>(std::llround(run["stale_after_seconds"].get<double>() * 1e6))).c_str(),
      Text(run["run_id"]).c_str());
}

// Of an answer with runs. A run that was stale at a watermark long past may have ended since.
void WarnOfStale(const Json& answer) {
  for (const Json& run : answer["runs"]) {
    if (run.value("verdict", "") == "stale") WarnStale(run, answer["as_of"]);
  }
}

// Of a job; null is what the instance does not know.
std::string Verdict(const Json& value) {
  if (value.is_null()) return "unknown";
  return value.is_boolean() ? (value.get<bool>() ? "yes" : "no") : Text(value);
}

// Something of the job needs attention: as the status page has it.
bool IsStuck(const Json& job) {
  for (const char* name : {"stale", "silent", "timed_out"})
    if (job[name].is_number() && job[name] > 0) return true;
  return job["job_stale"] == true;
}

int StatusOfAll(const QuestionOptions& options) {
  int status = kFine;
  const std::optional<Json> answer = AskFleet(options.instance.address, "/api/v1/jobs", "jobs", &status);
  if (!answer) return status;
  const std::optional<Json> stale =
      AskFleet(options.instance.address, "/api/v1/runs?stale=true&limit=10", "runs", &status);
  if (!stale) return status;
  bool bad = false;
  for (const Json& job : (*answer)["jobs"]) bad = bad || IsStuck(job);
  const bool known = IsKnown(*answer);
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return !known ? kUnknown : bad ? kBadNews : kFine;
  }
  SayAsOf(*answer);
  SayProblems(*answer);
  TextTable table({"job", "phase", "running", "stale", "silent", "timed out", "failures", "last success (UTC)", "24h",
                   "7d", "stale job"});
  for (const Json& job : (*answer)["jobs"]) {
    table.Add({Text(job["name"]), Text(job["phase"]), Text(job["running"]), Verdict(job["stale"]),
               Verdict(job["silent"]), Verdict(job["timed_out"]), Text(job["consecutive_failures"]),
               Time(job["last_success"]), Ratio(job["success_ratio"]["24h"]), Ratio(job["success_ratio"]["7d"]),
               Verdict(job["job_stale"])});
  }
  if (table.empty()) {
    if (known) std::printf("no jobs have been seen yet\n");
  } else {
    std::fputs(table.ToString().c_str(), stdout);
  }
  WarnOfStale(*stale);
  return !known ? kUnknown : bad ? kBadNews : kFine;
}

int StatusOfJob(const QuestionOptions& options) {
  int status = kFine;
  const std::optional<Json> answer =
      Ask(options.instance.address, "/api/v1/jobs/" + exporters::UrlEncoded(options.job), &status);
  if (!answer) return status;
  // Whichever instance has them.
  const std::optional<Json> runs =
      AskFleet(options.instance.address,
               "/api/v1/runs?job=" + exporters::UrlEncoded(options.job) + "&limit=" + std::to_string(options.limit),
               "runs", &status);
  if (!runs) return status;
  const Json& job = (*answer)["job"];
  const bool known = answer->value("caught_up", false);
  const bool bad = IsStuck(job);
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return !known ? kUnknown : bad ? kBadNews : kFine;
  }
  SayAsOf(*answer);
  for (const char* name : {"name", "display_name", "phase", "priority", "running"}) {
    if (job[name] != "") std::printf("%-22s %s\n", name, Text(job[name]).c_str());
  }
  for (const char* name : {"stale", "silent", "timed_out", "job_stale"})
    std::printf("%-22s %s\n", name, Verdict(job[name]).c_str());
  for (const char* name : {"consecutive_failures", "started"})
    if (!job[name].is_null()) std::printf("%-22s %s\n", name, Text(job[name]).c_str());
  for (const auto& [word, count] : job["finished"].items())
    std::printf("finished %-13s %s\n", word.c_str(), Text(count).c_str());
  for (const char* name : {"last_start", "last_success", "last_failure"})
    std::printf("%-22s %s\n", name, Time(job[name]).c_str());
  for (const auto& [window, ratio] : job["success_ratio"].items())
    std::printf("success %-14s %s\n", window.c_str(), Ratio(ratio).c_str());
  std::printf("\n");
  PrintRuns((*runs)["runs"]);
  WarnOfStale(*runs);
  return !known ? kUnknown : bad ? kBadNews : kFine;
}

Json RunFromWarehouse(const exporters::RunRow& row) {
  const auto time = [](const std::optional<int64_t>& us) { return us ? Json(codecs::FormatRfc3339(*us)) : Json(); };
  const auto text = [](const std::optional<std::string>& value) { return value ? Json(*value) : Json(); };
  return {{"job", row.job_name},
          {"run_id", row.run_id},
          {"attempt", row.attempt},
          {"kind", row.kind},
          {"status", row.status},
          {"source_status", text(row.source_status)},
          {"phase", text(row.phase)},
          {"workflow", text(row.workflow)},
          {"data_date", text(row.data_date)},
          {"started_at", time(row.began_us)},
          {"completed_at", time(row.completed_us)},
          {"last_event_at", time(row.last_seen_us)},
          {"duration_seconds", row.duration_seconds ? Json(*row.duration_seconds) : Json()},
          {"records_processed", row.records_processed ? Json(*row.records_processed) : Json()},
          {"error_type", text(row.error_type)},
          {"error_message", text(row.error_message)},
          {"events", row.events}};
}

void SayIfMore(const Json& answer) {
  if (answer.value("more", false)) std::printf("there are more; raise --limit\n");
}

int RunsFromWarehouse(const QuestionOptions& options, bool with_events) {
  std::string status;
  if (!options.status.empty()) {
    const std::optional<codecs::Status> word = codecs::StatusFromWord(options.status);
    if (!word) {
      return Complain("--status '" + options.status + "' is not known; use " + std::string(codecs::kStatusWords),
                      kWrongUse);
    }
    status = codecs::StatusName(*word);
  }
  if (!options.date.empty() && !codecs::ParseDate(options.date))
    return Complain("--date '" + options.date + "' is no date; write 2026-01-12", kWrongUse);
  auto reader = exporters::SqliteReader::Open(options.warehouse);
  if (!reader.ok()) return Complain(std::string(reader.status().message()), kUnknown);
  const auto limit = static_cast<size_t>(options.limit);
  exporters::RunQuery query{options.job, status, options.date, options.fragment, limit + 1};
  auto rows = (*reader)->Runs(query);
  if (!rows.ok()) return Complain(std::string(rows.status().message()), kUnknown);
  Json answer = {{"runs", Json::array()}, {"more", rows->size() > limit}};
  if (rows->size() > limit) rows->resize(limit);
  for (const exporters::RunRow& row : *rows) {
    Json run = RunFromWarehouse(row);
    if (with_events) {
      const auto events = (*reader)->EventsOf(row.job_name, row.run_id, row.attempt);
      if (!events.ok()) return Complain(std::string(events.status().message()), kUnknown);
      run["history"] = Json::array();
      for (const exporters::EventRow& event : *events) {
        Json columns = Json::object();
        for (const auto& [name, value] : event.values) columns[std::string(name)] = value;
        run["history"].push_back(std::move(columns));
      }
    }
    answer["runs"].push_back(std::move(run));
  }
  if (options.instance.json) {
    std::printf("%s\n", answer.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else if (!with_events) {
    PrintRuns(answer["runs"]);
  } else {
    for (const Json& run : answer["runs"]) {
      PrintRuns(Json::array({run}));
      for (const char* name : {"phase", "workflow", "error_type", "error_message", "records_processed"}) {
        if (!run[name].is_null()) std::printf("  %-18s %s\n", name, Text(run[name]).c_str());
      }
      for (const Json& event : run["history"]) {
        std::printf("  %s  %s%s  at %s[%s] %s\n", Time(event["event_time"]).c_str(), event.value("status", "").c_str(),
                    event.value("heartbeat", "") == "true" ? " (heartbeat)" : "", event.value("topic", "").c_str(),
                    event.value("partition", "").c_str(), event.value("offset", "").c_str());
      }
      std::printf("\n");
    }
  }
  if (!options.instance.json) SayIfMore(answer);
  if (answer["runs"].empty()) return Complain("no run in " + options.warehouse + " matches", kBadNews);
  return kFine;
}

// `none`: the status if the answer is known to be empty.
int PrintRunsAnswer(const QuestionOptions& options, const std::string& path, int none) {
  int status = kFine;
  const std::optional<Json> answer = AskFleet(options.instance.address, path, "runs", &status);
  if (!answer) return status;
  const bool has_graph =
      answer->contains("graph") && (*answer)["graph"].is_object() && !(*answer)["graph"]["run"].is_null();
  const bool empty = (*answer)["runs"].empty() && !has_graph;
  const int found = !IsKnown(*answer) ? kUnknown : empty ? none : kFine;
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return found;
  }
  SayAsOf(*answer);
  if (!(*answer)["runs"].empty()) {
    PrintRuns((*answer)["runs"]);
  } else {
    std::printf(has_graph ? "no run of the instance's memory matches\n" : "no run matches\n");
  }
  SayIfMore(*answer);
  WarnOfStale(*answer);
  if (has_graph) PrintTracePage((*answer)["graph"]);
  if (answer->contains("graph_problem"))
    std::printf("the warehouse does not answer, so what is around the run is not known: %s\n",
                Text((*answer)["graph_problem"]).c_str());
  return found;
}

}  // namespace

int Status(const QuestionOptions& options) { return options.job.empty() ? StatusOfAll(options) : StatusOfJob(options); }

int Runs(const QuestionOptions& options) {
  if (!options.warehouse.empty() && options.stale) {
    return Complain("--stale asks a running instance: the warehouse has what happened, not what is late", kWrongUse);
  }
  if (!options.warehouse.empty()) return RunsFromWarehouse(options, /*with_events=*/false);
  std::string path = "/api/v1/runs?limit=" + std::to_string(options.limit);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) path += std::string("&") + name + "=" + exporters::UrlEncoded(value);
  };
  add("job", options.job);
  add("status", options.status);
  add("date", options.date);
  if (options.stale) add("stale", "true");
  return PrintRunsAnswer(options, path, kFine);
}

int Trace(const QuestionOptions& options) {
  if (!options.warehouse.empty()) return RunsFromWarehouse(options, /*with_events=*/true);
  return PrintRunsAnswer(options, "/api/v1/trace?id=" + exporters::UrlEncoded(options.fragment), /*none=*/kBadNews);
}

}  // namespace runledger::tools
