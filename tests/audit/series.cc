#include "audit/series.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace runledger::audit {
namespace {

using reference::JobView;
using reference::Policy;
using reference::Status;

class Builder {
 public:
  void Add(const std::string& name, Labels labels, double value) {
    series_.emplace_back(SeriesKey(name, labels), value);
  }
  void Add(const std::string& name, const Labels& base, const std::string& label, const std::string& text,
           double value) {
    Labels labels = base;
    labels[label] = text;
    Add(name, std::move(labels), value);
  }
  void Time(const std::string& name, const Labels& labels, const std::optional<int64_t>& time_us) {
    if (time_us) Add(name, labels, static_cast<double>(*time_us) / 1e6);
  }
  SeriesValues Take() {
    std::sort(series_.begin(), series_.end());
    return std::move(series_);
  }

 private:
  SeriesValues series_;
};

void AddCounters(const JobView& view, const Labels& labels, Builder* out) {
  out->Add("runs_started_total", labels, static_cast<double>(view.started));
  for (const auto& [status, count] : view.finished) {
    out->Add("runs_finished_total", labels, "status", reference::NameOf(status), static_cast<double>(count));
  }
  for (const auto& [change, count] : view.corrected) {
    Labels both = labels;
    both["from"] = reference::NameOf(change.first);
    both["to"] = reference::NameOf(change.second);
    out->Add("runs_corrected_total", both, static_cast<double>(count));
  }
  out->Add("runs_forgotten_total", labels, static_cast<double>(view.forgotten));
  out->Add("run_duration_seconds_sum", labels, view.duration_sum_s);
  out->Add("run_duration_seconds_count", labels, static_cast<double>(view.duration_count));
}

void AddGauges(const JobView& view, const Policy& policy, const Labels& labels, Builder* out) {
  out->Add("runs_running", labels, static_cast<double>(view.running));
  out->Add("consecutive_failures", labels, static_cast<double>(view.consecutive_failures));
  out->Time("oldest_running_start_timestamp_seconds", labels, view.oldest_running_start_us);
  out->Time("last_start_timestamp_seconds", labels, view.last_start_us);
  out->Time("last_success_timestamp_seconds", labels, view.last_success_us);
  out->Time("last_failure_timestamp_seconds", labels, view.last_failure_us);
  if (view.last_duration_s) out->Add("last_run_duration_seconds", labels, *view.last_duration_s);
  Labels info = labels;
  info["priority"] = policy.priority;
  info["display_name"] = policy.display_name;
  out->Add("job_info", info, 1);
}

void AddVerdicts(const JobView& view, const Labels& labels, Builder* out) {
  out->Add("runs_stale", labels, static_cast<double>(view.stale));
  out->Add("runs_silent", labels, static_cast<double>(view.silent));
  out->Add("runs_timed_out", labels, static_cast<double>(view.timed_out));
  out->Add("job_stale", labels, view.job_stale ? 1 : 0);
  static constexpr const char* kNames[] = {"1h", "24h", "7d", "30d"};
  for (size_t i = 0; i < view.windows.size(); ++i) {
    const reference::Window& window = view.windows[i];
    if (window.all == 0) continue;
    out->Add("success_ratio", labels, "window", kNames[i],
             static_cast<double>(window.good) / static_cast<double>(window.all));
  }
}

}  // namespace

std::string PlainNumber(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", value);
  return text;
}

std::string SeriesKey(const std::string& name, const Labels& labels) {
  std::string key = name + "{";
  for (const auto& [label, text] : labels) {
    if (text.empty() || label == "topic" || label == "partition") continue;
    if (key.back() != '{') key += ',';
    key += label;
    key += '=';
    key += label == "le" ? PlainNumber(std::strtod(text.c_str(), nullptr)) : text;
  }
  return key + "}";
}

SeriesValues ExpectedSeries(const reference::Fold& fold, std::optional<int64_t> watermark_us) {
  Builder out;
  for (const auto& [name, view] : fold.Jobs(watermark_us)) {
    const Labels labels = {{"processor", name}, {"phase", view.phase}};
    out.Add("late_events_total", labels, static_cast<double>(view.late_events));
    if (!view.live) continue;
    AddCounters(view, labels, &out);
    AddGauges(view, fold.PolicyOf(name), labels, &out);
    if (watermark_us) AddVerdicts(view, labels, &out);
  }
  for (const auto& [pair, phase] : fold.Phases()) {
    const Labels labels = {{"phase", pair.first}, {"workflow", pair.second}};
    uint64_t below = 0;
    for (size_t i = 0; i < phase.counts.size(); ++i) {
      below += phase.counts[i];
      const double bound = i < reference::kBounds.size() ? reference::kBounds[i] : INFINITY;
      out.Add("phase_run_duration_seconds_bucket", labels, "le", PlainNumber(bound), static_cast<double>(below));
    }
    out.Add("phase_run_duration_seconds_sum", labels, phase.sum_s);
    out.Add("phase_run_duration_seconds_count", labels, static_cast<double>(below));
  }
  return out.Take();
}

bool SameValue(const std::string& key, double expected, double actual) {
  if (expected == actual) return true;
  const double off = std::abs(expected - actual);
  if (key.find("timestamp_seconds{") != std::string::npos) return off < 5e-7;
  return off <= 1e-12 * std::max(std::abs(expected), std::abs(actual));
}

}  // namespace runledger::audit
