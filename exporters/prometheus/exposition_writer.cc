#include "exporters/prometheus/exposition_writer.h"

namespace runledger::exporters {
namespace {

void AppendAll(std::string* out, std::string_view a, std::string_view b, std::string_view c, std::string_view d) {
  out->append(a);
  out->append(b);
  out->append(c);
  out->append(d);
}

void AppendHelp(std::string_view help, bool open_metrics, std::string* out) {
  for (const char c : help) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && open_metrics) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

}  // namespace

void ExpositionWriter::BeginFamily(std::string_view name, MetricType type, std::string_view unit,
                                   std::string_view help) {
  family_at_ = out_->size();
  family_first_ = series_;
  const bool open_metrics = IsOpenMetrics(format_);
  constexpr std::string_view kTotal = "_total";
  if (open_metrics && type == MetricType::kCounter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());

  AppendAll(out_, "# TYPE ", name, " ", MetricTypeName(type));
  *out_ += '\n';
  if (open_metrics && !unit.empty()) {
    AppendAll(out_, "# UNIT ", name, " ", unit);
    *out_ += '\n';
  }
  AppendAll(out_, "# HELP ", name, " ", "");
  AppendHelp(help, open_metrics, out_);
  *out_ += '\n';
}

void ExpositionWriter::EndFamily() {
  if (series_ == family_first_) out_->resize(family_at_);
}

void ExpositionWriter::Finish() {
  if (IsOpenMetrics(format_)) *out_ += "# EOF\n";
}

void ExpositionWriter::AddExemplar(std::string_view run_id, int64_t time_us) {
  out_->pop_back();  // the line's end
  *out_ += " # {run_id=\"";
  AppendLabelValue(run_id, out_);
  *out_ += "\"} 1 ";
  char number[kNumberBytes + 1];
  char* end = PrintSeconds(time_us, number);
  *end++ = '\n';
  out_->append(number, static_cast<size_t>(end - number));
}

}  // namespace runledger::exporters
