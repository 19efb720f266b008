#include "tools/runledger/monitor_questions.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporters/http/monitor_json.h"
#include "exporters/http_fetch/http_fetch.h"
#include "tools/runledger/ask_fleet.h"
#include "tools/runledger/ask_instance.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/text_table.h"

namespace runledger::tools {
namespace {

struct MonitorOptions {
  InstanceFlags instance;
  std::vector<std::string> jobs;
  std::string of;                         // whose upstream jobs
  std::optional<std::string> processors;  // comma separated
  std::string date;
  int lookback_days = 0;  // 0: not said
  bool dry_run = false;
};

// A path and its parameters; empty ones are left out.
class Path {
 public:
  explicit Path(std::string path) : text_(std::move(path)) {}
  Path& Add(const char* name, const std::string& value) {
    if (value.empty()) return *this;
    text_ += (any_ ? "&" : "?") + std::string(name) + "=" + exporters::UrlEncoded(value);
    any_ = true;
    return *this;
  }
  Path& AddDays(int days) { return Add("lookback_days", days > 0 ? std::to_string(days) : ""); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool any_ = false;
};

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

// Names are asked for with commas between them: one that has a comma would be two others. False: it is told so.
bool CanBeJoined(const std::vector<std::string>& names, const char* command, const char* instead) {
  for (const std::string& name : names) {
    if (name.find(',') == name.npos) continue;
    Complain(std::string(command) + ": '" + name + "' has a comma, which separates names; ask /api/v1/jobs/" +
                 exporters::UrlEncoded(name) + instead,
             kWrongUse);
    return false;
  }
  return true;
}

std::string Dates(const Json& dates) {
  std::string text;
  for (const Json& date : dates) text += (text.empty() ? "" : ", ") + Text(date);
  return text.empty() ? "-" : text;
}

// Prints the whole answer if JSON is wanted.
bool AsJson(const MonitorOptions& options, const Json& answer) {
  if (!options.instance.json) return false;
  std::printf("%s\n", answer.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return true;
}

// -- check

constexpr size_t kShownWhole = 100;  // of more jobs, only those are named that are not healthy

int StatusOfCheck(const Json& answer) {
  const std::string status = answer.value("status", "");
  return status == "healthy" ? kFine : status == "issues" ? kBadNews : kUnknown;
}

// "[FAIL] nightly: ERROR 2 of 7 dates without success: 2026-01-10, 2026-01-11"
void SayJob(const Json& job) {
  const std::string name = Text(job["job"]);
  if (job.contains("reason")) return void(std::printf("[????] %s: %s\n", name.c_str(), Text(job["reason"]).c_str()));
  for (const Json& issue : job["issues"]) {
    const std::string level = Text(issue["level"]);
    std::printf("[%s] %s: %s %s\n", level == "WARNING" ? "WARN" : "FAIL", name.c_str(), level.c_str(),
                Text(issue["text"]).c_str());
  }
  if (!job["unknown"].empty()) std::printf("[????] %s: not known: %s\n", name.c_str(), Dates(job["unknown"]).c_str());
  if (!job["issues"].empty() || !job["unknown"].empty()) return;
  const std::string dates = job["schedule"].is_null() ? "no schedule"
                                                      : Text(job["expected"]) + " dates expected, " +
                                                            Text(job["from"]) + " to " + Text(job["to"]);
  const std::string last = job["hours_since_last_success"].is_null()
                               ? "no success yet"
                               : "last success " + Text(job["hours_since_last_success"]) + " hours ago";
  std::printf("[ OK ] %s: %s; %s%s\n", name.c_str(), last.c_str(), dates.c_str(),
              job["pending"].empty() ? "" : ("; not over yet: " + Dates(job["pending"])).c_str());
}

int Check(const MonitorOptions& options) {
  if (options.processors && options.processors->empty())
    return Complain("check: --processors names no job; leave it out to check all", kWrongUse);
  int status = kFine;
  auto answer = AskFleet(options.instance.address,
                         Path("/api/v1/check")
                             .Add("date", options.date)
                             .AddDays(options.lookback_days)
                             .Add("processors", options.processors.value_or(""))
                             .text(),
                         "jobs", &status);
  if (!answer) return status;
  // Of several instances together; one has summed up its own.
  if (answer->contains("instances")) exporters::SumUpCheck(IsKnown(*answer), &*answer);
  status = StatusOfCheck(*answer);
  if (AsJson(options, *answer)) return status;
  SayAsOf(*answer);
  SayProblems(*answer);
  const Json& summary = (*answer)["summary"];
  const bool many = (*answer)["jobs"].size() > kShownWhole;
  for (const Json& job : (*answer)["jobs"]) {
    if (!many || job["status"] != "healthy") SayJob(job);
  }
  if (many) std::printf("[ OK ] %s more\n", Text(summary["healthy"]).c_str());
  for (const Json& alert : (*answer)["alerts"]) {  // those of one job stand above
    if (alert["job"].is_null()) std::printf("%s: %s\n", Text(alert["level"]).c_str(), Text(alert["text"]).c_str());
  }
  const std::string checked = Text(summary["checked"]);
  if (status == kFine) {
    std::printf("INFO: %s\n", summary["checked"] == 0   ? "no jobs are configured, and none has been seen"
                              : summary["checked"] == 1 ? "the job is healthy"
                                                        : ("all " + checked + " jobs are healthy").c_str());
  } else {
    std::printf("%s %s: %s healthy, %s with issues, %s unknown\n", checked.c_str(),
                summary["checked"] == 1 ? "job" : "jobs", Text(summary["healthy"]).c_str(),
                Text(summary["with_issues"]).c_str(), Text(summary["unknown"]).c_str());
  }
  return status;
}

// -- gaps

int GapsOfJobs(const MonitorOptions& options) {
  if (!CanBeJoined(options.jobs, "gaps", "/upstream?lookback_days=14")) return kWrongUse;
  int status = kFine;
  const auto answer = AskFleet(options.instance.address,
                               Path("/api/v1/gaps")
                                   .Add("job", Join(options.jobs))
                                   .Add("date", options.date)
                                   .AddDays(options.lookback_days)
                                   .text(),
                               "jobs", &status);
  if (!answer) return status;
  bool any = false, unknown = !IsKnown(*answer);
  for (const Json& job : (*answer)["jobs"]) {
    any = any || !job["gaps"].empty();
    unknown = unknown || !job["unknown"].empty();
  }
  // Behind the log, a gap may have been closed since.
  status = any && answer->value("caught_up", false) ? kBadNews : unknown ? kUnknown : kFine;
  if (AsJson(options, *answer)) return status;
  SayAsOf(*answer);
  TextTable table({"job", "date", "status", "attempts", "last event (UTC)"});
  for (const Json& job : (*answer)["jobs"]) {
    for (const Json& gap : job["gaps"]) {
      table.Add(
          {Text(job["job"]), Text(gap["date"]), Text(gap["status"]), Text(gap["attempts"]), Time(gap["last_event"])});
    }
  }
  if (!table.empty()) std::fputs(table.ToString().c_str(), stdout);
  if ((*answer)["jobs"].empty()) std::printf("no job has a schedule: nothing is expected, so nothing is missing\n");
  for (const Json& job : (*answer)["jobs"]) {
    const std::string name = Text(job["job"]);
    const std::string span = Text(job["from"]) + " to " + Text(job["to"]);
    if (job["schedule"].is_null()) {
      std::printf("%s: has no schedule: nothing is expected, so nothing is missing\n", name.c_str());
    } else {
      std::printf("%s: %zu of %s expected dates are gaps, %s\n", name.c_str(), job["gaps"].size(),
                  Text(job["expected"]).c_str(), span.c_str());
    }
    if (!job["pending"].empty()) std::printf("%s: not over yet: %s\n", name.c_str(), Dates(job["pending"]).c_str());
    if (!job["unknown"].empty()) std::printf("%s: not known: %s\n", name.c_str(), Dates(job["unknown"]).c_str());
  }
  return status;
}

// -- upstream

int Upstream(const MonitorOptions& options) {
  if (options.jobs.empty() == options.of.empty())
    return Complain("upstream: name jobs, or a job that waits for others with --of", kWrongUse);
  if (!CanBeJoined(options.jobs, "upstream", "/upstream")) return kWrongUse;
  int status = kFine;
  const auto answer = AskFleet(options.instance.address,
                               Path("/api/v1/upstream")
                                   .Add("jobs", Join(options.jobs))
                                   .Add("of", options.of)
                                   .Add("date", options.date)
                                   .AddDays(options.lookback_days)
                                   .text(),
                               "upstream", &status);
  if (!answer) return status;
  const Json& upstream = (*answer)["upstream"];
  const auto is = [&](const std::function<bool(const Json&)>& test) {
    return std::any_of(upstream.begin(), upstream.end(), test);
  };
  // One that is known not to be safe decides, whatever is not known of others.
  const bool unsafe = is([](const Json& one) {
    return one["status"] != "unknown" && one["safe_to_process"] == false &&
           (!one.contains("look_back") || !one["look_back"]["complete"].is_null());
  });
  const bool safe = !is([](const Json& one) { return one["safe_to_process"] != true; });
  status = safe ? kFine : unsafe ? kBadNews : kUnknown;
  if (AsJson(options, *answer)) return status;
  if (!answer->value("caught_up", false)) SayAsOf(*answer);
  for (const Json& one : upstream) {
    std::printf("%s %s: Status: %s, safe_to_process: %s (%s)\n", Text(one["job"]).c_str(), Text(one["date"]).c_str(),
                Text(one["status"]).c_str(), one["safe_to_process"] == true ? "True" : "False",
                Text(one["reason"]).c_str());
    if (one.contains("warning")) std::printf("%s\n", Text(one["warning"]).c_str());
    if (one.contains("look_back") && !one["look_back"]["missing"].empty())
      std::printf("%s: gaps before it: %s\n", Text(one["job"]).c_str(), Dates(one["look_back"]["missing"]).c_str());
    if (one.contains("look_back") && !one["look_back"]["unknown"].empty())
      std::printf("%s: not known before it: %s\n", Text(one["job"]).c_str(),
                  Dates(one["look_back"]["unknown"]).c_str());
  }
  return status;
}

// -- discovery

int DiscoveryOf(const MonitorOptions& options) {
  int status = kFine;
  const auto answer = Ask(options.instance.address,
                          Path("/api/v1/jobs/" + exporters::UrlEncoded(options.jobs.front()) + "/discovery")
                              .Add("date", options.date)
                              .text(),
                          &status);
  if (!answer) return status;
  const Json& discovery = (*answer)["discovery"];
  const std::string action = Text(discovery["action"]);
  status = action == "RUN" ? kFine : action == "SKIP" ? kBadNews : kUnknown;
  if (AsJson(options, *answer)) return status;
  const std::string next =
      discovery["next_check"].is_null() ? "" : "; next check " + Time(discovery["next_check"]) + " UTC";
  std::printf("%s: %s %s: %s (attempts %s, failed %s)%s\n", action.c_str(), Text(discovery["job"]).c_str(),
              Text(discovery["date"]).c_str(), Text(discovery["reason"]).c_str(), Text(discovery["attempts"]).c_str(),
              Text(discovery["failed_attempts"]).c_str(), next.c_str());
  if (discovery.contains("warning")) std::printf("%s\n", Text(discovery["warning"]).c_str());
  return status;
}

using Answer = int (*)(const MonitorOptions&);

// The subcommand with the flags that all have.
CLI::App* AddQuestion(CLI::App* app, const char* name, const char* help, MonitorOptions* options) {
  CLI::App* command = app->add_subcommand(name, help);
  AddInstanceFlags(command, &options->instance);
  command->add_option("--date", options->date, "The date, 2026-01-12; without it today, where the job is");
  return command;
}

void AddDays(CLI::App* command, MonitorOptions* options, const char* help) {
  command->add_option("--lookback-days", options->lookback_days, help)->check(CLI::Range(1, 366));
}

}  // namespace

void AddMonitorQuestions(CLI::App* app, int* status) {
  auto options = std::make_shared<MonitorOptions>();
  const auto answer_with = [=](CLI::App* command, Answer answer) {
    command->callback([=] {
      const absl::Status found = FindInstance(&options->instance);
      *status = found.ok() ? answer(*options) : Complain(found);
    });
  };

  CLI::App* check = AddQuestion(app, "check",
                                "Did every job run, did it succeed, on time? Exit status 0 healthy, 1 issues, 2 wrong "
                                "use, 3 unknown",
                                options.get());
  AddDays(check, options.get(), "Dates to look at, up to --date; without it lookback_days of each job (7)");
  check->add_option("--processors", options->processors,
                    "Only these, comma separated; without it all that are enabled");
  check->add_flag("--dry-run", options->dry_run,
                  "Send no notifications; nothing is sent by this command, so that it changes nothing");
  check->add_flag("--json-output", options->instance.json, "As --json");
  answer_with(check, &Check);

  CLI::App* gaps =
      AddQuestion(app, "gaps", "Expected dates without success. Exit status 1 if there are some", options.get());
  gaps->add_option("jobs", options->jobs, "Jobs; without them all that have a schedule");
  AddDays(gaps, options.get(), "Dates to look at, up to --date; without it lookback_days of each job (7)");
  answer_with(gaps, &GapsOfJobs);

  CLI::App* upstream =
      AddQuestion(app, "upstream",
                  "May those who wait for these jobs go on? Exit status 0 if all are safe, 1 if not, 3 "
                  "if it is not known",
                  options.get());
  upstream->add_option("jobs", options->jobs, "Jobs that others wait for");
  upstream->add_option("--of", options->of, "All jobs that this one waits for, as jobs.NAME.upstream has them");
  AddDays(upstream, options.get(), "Nor must any of so many dates before be missing");
  answer_with(upstream, &Upstream);

  CLI::App* discovery = AddQuestion(
      app, "discovery", "Shall the job be tried now? Exit status 0 RUN, 1 SKIP, 3 if it is not known", options.get());
  discovery->add_option("job", options->jobs, "A job")->required()->expected(1);
  answer_with(discovery, &DiscoveryOf);
}

}  // namespace runledger::tools
