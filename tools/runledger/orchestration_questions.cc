#include "tools/runledger/orchestration_questions.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "aggregators/job_policy.h"
#include "codecs/civil_time.h"
#include "exporters/http_fetch/http_fetch.h"
#include "tools/runledger/ask_fleet.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/text_table.h"
#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

struct Options {
  InstanceFlags instance;
  std::string date;
  std::string workflow;
};

std::string Query(const std::string& path, const Options& options) {
  std::string query = path;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += (query == path ? "?" : "&") + std::string(name) + "=" + exporters::UrlEncoded(value);
  };
  add("workflow", options.workflow);
  add("date", options.date);
  return query;
}

// "2026-01-12T09:00:00-05:00" as "09:00:00".
std::string Clock(const Json& value) { return value.is_string() ? Text(value).substr(11, 8) : "-"; }

std::string Difference(const Json& seconds) {
  if (!seconds.is_number()) return "-";
  const double value = seconds.get<double>();
  return (value < 0 ? "-" : "+") + HumanDuration(static_cast<int64_t>(std::llround(std::abs(value) * 1e6)));
}

std::string Explanation(const Json& by) {
  if (!by.is_object()) return "-";
  return Text(by["action"]) + " " + Text(by["decision_id"]) + ": " + Text(by["reason"]);
}

int Verdict(bool bad, bool known) { return bad ? kBadNews : known ? kFine : kUnknown; }

// Whether configuration or log know of the workflow that is asked for.
bool IsNamed(const Options& options) {
  if (options.workflow.empty()) return true;
  Options whole_time = options;
  whole_time.date.clear();
  int status = kFine;
  const std::optional<Json> known =
      AskFleet(options.instance.address, Query("/api/v1/workflows", whole_time), "workflows", &status);
  return known && !(*known)["workflows"].empty();
}

// Why a day without expected runs may be anything but a day on which nothing is expected; empty: it is one.
std::string WhyNothing(const Json& schedule, const Options& options) {
  const auto as_of = ParseTime(schedule.value("as_of", Json()));
  const auto known_from = ParseTime(schedule.value("known_from", Json()));
  if (!as_of || !known_from) return "of a partition of the log nothing has been read yet";
  const int32_t date = codecs::ParseDate(options.date).value_or(codecs::DayOf(*as_of));
  const std::string day = codecs::FormatDate(date);
  // Days are those of UTC here: in a zone far from it, one may be taken for unknown, or some hours of it for known.
  if (date > codecs::DayOf(*as_of))
    return "the log has not come to " + day + ": what is expected then is not known yet";
  if (!IsNamed(options))
    return "nothing is known of '" + options.workflow + "', neither from the configuration nor from the log";
  if (int64_t{date} * aggregators::kDayUs < *known_from) {
    return "what is known of the log begins at " + codecs::FormatRfc3339(*known_from) +
           " (its first record, or what state.days keeps): what was expected on " + day + " is not known";
  }
  return {};
}

// Of which nothing can be overdue yet, unless the first of them is due before it is made.
bool IsDueAlready(const Json& day, const Json& as_of) {
  const auto now = ParseTime(as_of), due = ParseTime(day["first_expected_at"]);
  return !now || !due || *due <= *now;
}

int Schedule(const Options& options) {
  int status = kFine;
  const std::optional<Json> answer =
      AskFleet(options.instance.address, Query("/api/v1/schedule", options), "expected_runs", &status);
  if (!answer) return status;
  bool bad = false, known = IsKnown(*answer);
  for (const Json& run : (*answer)["expected_runs"]) {
    const std::string verdict = run.value("verdict", "");
    bad = bad || verdict == "overdue" || (verdict == "missing" && run["explained_by"].is_null());
    known = known && verdict != "unknown";
  }
  const std::string why = (*answer)["expected_runs"].empty() ? WhyNothing(*answer, options) : "";
  known = known && why.empty();
  const Json to_be_made = answer->value("to_be_made", Json::array());
  for (const Json& day : to_be_made) known = known && !IsDueAlready(day, answer->value("as_of", Json()));
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return Verdict(bad, known);
  }
  SayAsOf(*answer);
  TextTable table({"expected", "actual", "zone", "workflow", "verdict", "difference", "run", "explained by", "status"});
  for (const Json& run : (*answer)["expected_runs"]) {
    const bool of_job = run["job"].is_string();
    table.Add({Clock(run["expected_local"]), Clock(run["actual_local"]), Text(run["time_zone"]),
               Text(run[of_job ? "job" : "workflow"]),
               Text(run["verdict"]) + (run.contains("at_watermark") ? " (was " + Text(run["at_watermark"]) + ")" : ""),
               Difference(run["difference_seconds"]), Text(run[of_job ? "run_id" : "decision_id"]),
               Explanation(run["explained_by"]), Text(run["seeds_status"])});
  }
  if (!why.empty()) {
    std::printf("UNKNOWN: %s\n", why.c_str());
  } else if (!table.empty() || (!known && to_be_made.empty())) {
    std::fputs(table.ToString().c_str(), stdout);
  } else if (to_be_made.empty()) {
    std::printf("nothing is expected on that day\n");
  }
  for (const Json& day : to_be_made) {
    std::printf("to be made from the schedule of %s at %s UTC: %s expected run%s of %s, from %s UTC on\n",
                Text(day["workflow"]).c_str(), Time(day["made_at"]).c_str(), Text(day["runs"]).c_str(),
                day["runs"] == 1 ? "" : "s", Text(day["date"]).c_str(), Time(day["first_expected_at"]).c_str());
  }
  return Verdict(bad, known);
}

int Workflows(const Options& options) {
  int status = kFine;
  const std::optional<Json> answer =
      AskFleet(options.instance.address, Query("/api/v1/workflows", options), "workflows", &status);
  if (!answer) return status;
  bool bad = false, known = IsKnown(*answer);
  for (const Json& workflow : (*answer)["workflows"]) {
    known = known && !workflow["overdue"].is_null();
    bad = bad || workflow["not_evaluated"] == true;
    for (const char* count : {"overdue", "missing"}) bad = bad || (workflow[count].is_number() && workflow[count] > 0);
  }
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return Verdict(bad, known);
  }
  SayAsOf(*answer);
  TextTable table({"workflow", "priority", "last evaluation (UTC)", "evaluated", "pending", "overdue", "missing",
                   "explained", "last action", "reason"});
  for (const Json& workflow : (*answer)["workflows"]) {
    const Json last = workflow["decisions"].empty() ? Json::object() : workflow["decisions"][0];
    table.Add({Text(workflow["name"]), Text(workflow["priority"]), Time(workflow["last_evaluation"]),
               workflow["not_evaluated"].is_null() ? "-"
               : workflow["not_evaluated"] == true ? "OVERDUE"
                                                   : "yes",
               Text(workflow["pending"]), Text(workflow["overdue"]), Text(workflow["missing"]),
               Text(workflow["missing_explained"]), Text(last.value("action", Json())),
               Text(last.value("reason", Json()))});
  }
  if (table.empty()) {
    std::printf("no workflow is known\n");
  } else {
    std::fputs(table.ToString().c_str(), stdout);
  }
  if (!options.workflow.empty()) {
    TextTable decisions({"decided (UTC)", "action", "reason", "next check (UTC)", "decision"});
    for (const Json& workflow : (*answer)["workflows"]) {
      for (const Json& decision : workflow["decisions"]) {
        decisions.Add({Time(decision["decided_at"]), Text(decision["action"]), Text(decision["reason"]),
                       Time(decision["next_check_at"]), Text(decision["decision_id"])});
      }
    }
    std::printf("\n%s", decisions.ToString().c_str());
  }
  return Verdict(bad, known);
}

// Of two instances that which knows of the newer cleanup holds.
void TakeNewer(const Json& more, Json* all) {
  const auto cleaned_at = [](const Json& answer) -> std::optional<int64_t> {
    const Json& cleanup = answer["cleanup"];
    return cleanup.is_object() ? ParseTime(cleanup["cleaned_at"]) : std::nullopt;
  };
  if (cleaned_at(more) > cleaned_at(*all)) (*all)["cleanup"] = more["cleanup"];  // none is the least
}

int MissingFiles(const Options& options) {
  int status = kFine;
  const std::optional<Json> answer =
      AskFleet(options.instance.address, "/api/v1/missing-files", "cleanup", &status, &TakeNewer);
  if (!answer) return status;
  const Json& cleanup = (*answer)["cleanup"];
  const bool known = IsKnown(*answer) && cleanup.is_object() && cleanup["files"].is_array();
  const bool bad = cleanup.is_object() && cleanup["files"].is_array() && !cleanup["files"].empty();
  const int verdict = !known ? kUnknown : bad ? kBadNews : kFine;
  if (options.instance.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return verdict;
  }
  SayAsOf(*answer);
  if (!cleanup.is_object()) {
    std::printf("no cleanup is known\n");
    return verdict;
  }
  const bool counted = cleanup["missing_files_found"].is_null() && cleanup["files"].is_array();
  std::printf("cleanup %s at %s UTC: %s file(s) missing, %s republished\n", Text(cleanup["cleanup_id"]).c_str(),
              Time(cleanup["cleaned_at"]).c_str(),
              counted ? std::to_string(cleanup["files"].size()).c_str() : Text(cleanup["missing_files_found"]).c_str(),
              Text(cleanup["republished_count"]).c_str());
  if (!cleanup["files"].is_array()) {
    std::printf("which files is not known: the cleanup's list is none\n");
    return verdict;
  }
  TextTable table({"scraper", "file", "minutes", "urgency", "republished"});
  for (const Json& file : cleanup["files"]) {
    table.Add({Text(file["scraper_name"]), Text(file["gcs_path"]), Text(file["age_minutes"]), Text(file["urgency"]),
               file["republished"].is_null() ? "-"
               : file["republished"] == true ? "yes"
                                             : "no"});
  }
  if (!table.empty()) std::fputs(table.ToString().c_str(), stdout);
  return verdict;
}

}  // namespace

void AddOrchestrationQuestions(CLI::App* app, int* status) {
  const auto add = [&](const char* name, const char* help, int (*answer)(const Options&)) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app->add_subcommand(name, help);
    AddInstanceFlags(command, &options->instance);
    command->callback([=] {
      const absl::Status found = FindInstance(&options->instance);
      *status = found.ok() ? answer(*options) : Complain(found);
    });
    return std::make_pair(command, options);
  };
  auto [schedule, day] =
      add("schedule",
          "Expected versus actual runs of a day. Exit status 1 if a run is overdue, or missing and no "
          "decision says why, 3 if unknown",
          &Schedule);
  schedule->add_option("--date", day->date, "Day in each workflow's own time zone, 2026-01-12; without it today");
  schedule->add_option("--workflow", day->workflow, "Of one workflow, or of a job with expected runs of its own");

  auto [workflows, one] = add("workflows",
                              "What was decided last, and which workflows nobody evaluates. Exit status 1 if one is "
                              "not evaluated or misses runs, 3 if unknown",
                              &Workflows);
  workflows->add_option("name", one->workflow, "One workflow, with its decisions: why was it skipped?");
  workflows->add_option("--date", one->date, "Only decisions of this day");

  add("missing-files",
      "Files that the newest cleanup found unprocessed, the oldest first. Exit status 1 if there are any, 3 if unknown",
      &MissingFiles);
}

}  // namespace runledger::tools
