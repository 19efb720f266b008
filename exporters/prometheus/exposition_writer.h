#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/prometheus/number_text.h"

namespace runledger::exporters {

enum class Format : uint8_t { kText004, kOpenMetrics001, kOpenMetrics100 };
constexpr bool IsOpenMetrics(Format format) { return format != Format::kText004; }

// Writes one exposition family by family into a buffer that grows. Both formats share their sample lines; they differ
// in metadata, exemplars and the end. One thread.
class ExpositionWriter {
 public:
  ExpositionWriter(Format format, std::string* out) : format_(format), out_(out) {}

  // The family that the following lines belong to. `name` as in Metric.
  void BeginFamily(std::string_view name, MetricType type, std::string_view unit, std::string_view help);
  // Takes the metadata back if no line followed: a family without series is not mentioned.
  void EndFamily();
  // The end of the exposition.
  void Finish();

  // One sample: `name` `labels` value. `labels` is escaped and ends with the blank before the value. `print` is one
  // of the Print* functions, bound to a value: it writes at its argument and returns the end.
  template <typename Print>
  void Line(std::string_view name, std::string_view labels, Print print) {
    out_->append(name);
    out_->append(labels);
    EndLine(print);
  }
  // The same with `open_labels`, which lack the closing brace, followed by `more_labels`, which have it.
  template <typename Print>
  void Line(std::string_view name, std::string_view open_labels, std::string_view more_labels, Print print) {
    out_->append(name);
    out_->append(open_labels);
    out_->append(more_labels);
    EndLine(print);
  }
  // Puts an exemplar at the end of the last line. OpenMetrics only, counters and buckets only.
  void AddExemplar(std::string_view run_id, int64_t time_us);

  Format format() const { return format_; }
  // Lines so far.
  uint64_t series() const { return series_; }

 private:
  template <typename Print>
  void EndLine(Print print) {
    char number[kNumberBytes + 1];
    char* end = print(number);
    *end++ = '\n';
    out_->append(number, static_cast<size_t>(end - number));
    ++series_;
  }

  const Format format_;
  std::string* const out_;
  uint64_t series_ = 0;
  size_t family_at_ = 0;       // where the family's metadata begins
  uint64_t family_first_ = 0;  // lines before it
};

}  // namespace runledger::exporters
