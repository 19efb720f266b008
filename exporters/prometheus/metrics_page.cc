#include <string>

#include "exporters/prometheus/metric_catalogue.h"

namespace runledger::exporters {
namespace {

struct Section {
  Scope scope;
  std::string_view title;
  std::string_view text;
};

constexpr Section kSections[] = {
    {Scope::kJob, "Jobs",
     "From each partition's state. They are a function of the log: the same after a restart, and no counter ever "
     "falls. "
     "A partition that is being restored shows none of them. Those that depend on time are judged at the partition's "
     "watermark and absent while there is none."},
    {Scope::kPhase, "Phases", "From each partition's state, as those of jobs."},
    {Scope::kWorkflow, "Workflows",
     "From each partition's state, as those of jobs: of workflows, and of jobs with expected runs of their own. A "
     "partition that is not a workflow's home shows its counters alone."},
    {Scope::kPartition, "Partitions",
     "Where each partition of the log stands. Offsets are absent while they are not known."},
    {Scope::kInstance, "The instance", "Of this process alone; its counters start at zero with it."},
};

// "`a`, `b`" of "a, b".
std::string InCode(std::string_view list) {
  std::string code;
  while (!list.empty()) {
    const size_t comma = list.find(", ");
    if (!code.empty()) code += ", ";
    code += '`';
    code += list.substr(0, comma);
    code += '`';
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 2);
  }
  return code;
}

void AppendRow(const Metric& metric, std::string* page) {
  *page += "| `";
  *page += metric.name;
  *page += "` | ";
  *page += MetricTypeName(metric.type);
  *page += " | ";
  *page += metric.unit;
  *page += " | ";
  *page += InCode(metric.labels);
  *page += " | ";
  *page += metric.help;
  *page += " |\n";
}

}  // namespace

std::string MetricsPage() {
  std::string page =
      "# Metrics\n\n"
      "What `GET /metrics` answers, as Prometheus text 0.0.4 or OpenMetrics 1.0. Times are seconds since the Unix "
      "epoch. A value "
      "that there is none of is absent, never NaN. A summary has the series `_sum` and `_count`, a histogram `_bucket` "
      "too.\n\n"
      "No label holds a run id. In OpenMetrics, `runledger_runs_finished_total` carries the id of the newest such run "
      "as an "
      "exemplar, `run_id`.\n\n"
      "`limits.series` bounds the series of jobs in each partition: a job costs " +
      std::to_string(SeriesPerJob()) +
      ", and those beyond the limit are added up under `processor=\"_other\"` (a job of that very name shows as "
      "`__other`). `runs_corrected_total` (at most 30 for "
      "each "
      "job shown) and phases (at most 1001 for each partition) have bounds of their own.\n";
  for (const Section& section : kSections) {
    page += "\n## ";
    page += section.title;
    page += "\n\n";
    page += section.text;
    if (const std::string labels = InCode(ScopeLabels(section.scope)); !labels.empty())
      page += " Labels of all: " + labels + ".";
    page += "\n\n| name | type | unit | further labels | meaning |\n|---|---|---|---|---|\n";
    for (const Metric& metric : MetricCatalogue()) {
      if (metric.scope == section.scope) AppendRow(metric, &page);
    }
  }
  return page;
}

}  // namespace runledger::exporters
