#include "tools/runledger/trace_page.h"

#include <cstdio>
#include <string>

#include "tools/runledger/text_table.h"

namespace runledger::tools {
namespace {

std::string Of(const Json& run, const char* column) { return run.contains(column) ? Text(run[column]) : "-"; }

std::string NameOf(const Json& run) {
  const std::string attempt = run.value("attempt", 0) > 0 ? " (attempt " + Of(run, "attempt") + ")" : "";
  return Of(run, "job_name") + " " + Of(run, "run_id") + attempt;
}

// "a, b" of a JSON array; what is no array as it is.
std::string ListOf(const Json& run, const char* column) {
  if (!run.contains(column)) return "-";
  const Json& value = run[column];
  if (!value.is_array()) return Text(value);
  std::string text;
  for (const Json& one : value) text += (text.empty() ? "" : ", ") + Text(one);
  return text.empty() ? "none" : text;
}

void Line(const char* name, const std::string& text) {
  if (text != "-") std::printf("  %-22s %s\n", name, text.c_str());
}

void PrintRelated(const Json& runs, const char* none) {
  if (runs.empty()) {
    std::printf("  %s\n", none);
    return;
  }
  TextTable table({"job", "run", "try", "phase", "status", "date", "started (UTC)", "seconds", "error"});
  for (const Json& run : runs) {
    table.Add({Of(run, "job_name"), Of(run, "run_id"), Of(run, "attempt"), Of(run, "phase"), Of(run, "status"),
               Of(run, "data_date"), run.contains("started_at") ? Time(run["started_at"]) : "-",
               Of(run, "duration_seconds"), Of(run, "error_message")});
  }
  std::fputs(table.ToString().c_str(), stdout);
}

}  // namespace

void PrintTracePage(const Json& graph) {
  const Json& run = graph["run"];
  std::printf("\n1. The run\n  %s\n", NameOf(run).c_str());
  std::printf("\n2. What it did\n");
  Line("status", Of(run, "status"));
  for (const char* column : {"kind", "phase", "data_date"}) Line(column, Of(run, column));
  Line("started (UTC)", run.contains("started_at") ? Time(run["started_at"]) : "-");
  Line("seconds", Of(run, "duration_seconds"));
  for (const char* column : {"error_type", "error_message", "alert_type"}) Line(column, Of(run, column));
  if (!graph["attempts"].empty()) {
    std::printf("  other attempts:\n");
    PrintRelated(graph["attempts"], "");
  }

  std::printf("\n3. What it depended on\n");
  const auto told = [&run](const char* column) { return run.contains(column) && !run[column].is_null(); };
  if (told("dependency_check_passed") || told("missing_dependencies") || told("stale_dependencies") ||
      told("upstream_dependencies")) {
    Line("check passed", !told("dependency_check_passed")         ? "not told"
                         : run["dependency_check_passed"] == true ? "yes"
                                                                  : "no");
    Line("missing", ListOf(run, "missing_dependencies"));
    Line("stale", ListOf(run, "stale_dependencies"));
    Line("all", ListOf(run, "upstream_dependencies"));
  } else {
    std::printf("  the run told nothing of its dependencies\n");
  }

  std::printf("\n4. What triggered it\n");
  for (const char* column : {"trigger_source", "trigger_message_id", "parent_job", "parent_run_id"})
    Line(column, Of(run, column));
  PrintRelated(graph["parents"], "no run is known that started it");

  std::printf("\n5. What ran with it, after it, and for want of it not\n  of the same message:\n");
  PrintRelated(graph["siblings"], "none");
  std::printf("  started by it:\n");
  PrintRelated(graph["children"], "none");
  std::printf("  blocked by it:\n");
  PrintRelated(graph["blocked"], "none");

  std::printf("\n6. Its logs\n");
  Line("service", Of(run, "service"));
  Line("revision", Of(run, "revision"));
  std::printf("  %-22s jsonPayload.run_id=\"%s\"\n", "filter", Of(run, "run_id").c_str());
}

}  // namespace runledger::tools
