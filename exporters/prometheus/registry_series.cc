#include "exporters/prometheus/registry_series.h"

#include <algorithm>

namespace runledger::exporters {
namespace {

MetricType TypeOf(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return MetricType::kCounter;
    case prometheus::MetricType::Histogram:
      return MetricType::kHistogram;
    case prometheus::MetricType::Summary:
      return MetricType::kSummary;
    case prometheus::MetricType::Gauge:
    case prometheus::MetricType::Untyped:
      return MetricType::kGauge;
  }
  return MetricType::kGauge;
}

std::string_view UnitOf(std::string_view name) {
  const auto catalogue = MetricCatalogue();
  const auto found =
      std::find_if(catalogue.begin(), catalogue.end(), [&](const Metric& metric) { return metric.name == name; });
  return found == catalogue.end() ? std::string_view() : found->unit;
}

// The labels in braces, with one more if its name is not empty, and the blank before the value.
std::string LabelsOf(const prometheus::ClientMetric& metric, std::string_view more_name = {},
                     std::string_view more_value = {}) {
  std::string labels;
  const auto append = [&](std::string_view name, std::string_view value) {
    labels += labels.empty() ? '{' : ',';
    labels += name;
    labels += "=\"";
    AppendLabelValue(value, &labels);
    labels += '"';
  };
  for (const auto& label : metric.label) append(label.name, label.value);
  if (!more_name.empty()) append(more_name, more_value);
  labels += labels.empty() ? " " : "} ";
  return labels;
}

std::string TextOf(double value) {
  char text[kNumberBytes];
  return {text, PrintDouble(value, text)};
}

auto Number(double value) {
  return [value](char* out) { return PrintNumber(value, out); };
}
auto Double(double value) {
  return [value](char* out) { return PrintDouble(value, out); };
}
auto Count(uint64_t value) {
  return [value](char* out) { return PrintUnsigned(value, out); };
}

}  // namespace

void WriteFamily(const prometheus::MetricFamily& family, ExpositionWriter* writer) {
  writer->BeginFamily(family.name, TypeOf(family.type), UnitOf(family.name), family.help);
  for (const prometheus::ClientMetric& metric : family.metric) {
    switch (family.type) {
      case prometheus::MetricType::Counter:
        writer->Line(family.name, LabelsOf(metric), Number(metric.counter.value));
        break;
      case prometheus::MetricType::Gauge:
        writer->Line(family.name, LabelsOf(metric), Number(metric.gauge.value));
        break;
      case prometheus::MetricType::Untyped:
        writer->Line(family.name, LabelsOf(metric), Number(metric.untyped.value));
        break;
      case prometheus::MetricType::Summary:
        for (const auto& quantile : metric.summary.quantile) {
          writer->Line(family.name, LabelsOf(metric, "quantile", TextOf(quantile.quantile)), Double(quantile.value));
        }
        writer->Line(family.name + "_sum", LabelsOf(metric), Double(metric.summary.sample_sum));
        writer->Line(family.name + "_count", LabelsOf(metric), Count(metric.summary.sample_count));
        break;
      case prometheus::MetricType::Histogram:
        for (const auto& bucket : metric.histogram.bucket) {
          writer->Line(family.name + "_bucket", LabelsOf(metric, "le", TextOf(bucket.upper_bound)),
                       Count(bucket.cumulative_count));
        }
        writer->Line(family.name + "_sum", LabelsOf(metric), Double(metric.histogram.sample_sum));
        writer->Line(family.name + "_count", LabelsOf(metric), Count(metric.histogram.sample_count));
        break;
    }
  }
  writer->EndFamily();
}

}  // namespace runledger::exporters
