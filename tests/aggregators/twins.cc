#include <cmath>
#include <map>
#include <sstream>

#include "aggregators/log_script.h"

namespace runledger::aggregators {
namespace {

namespace ref = reference;

std::string Text(uint64_t value) { return std::to_string(value); }
std::string Text(int64_t value) { return value == kNever ? "none" : std::to_string(value); }
std::string Text(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : "none"; }
std::string Number(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

// Notes the first difference.
class Differ {
 public:
  template <typename A, typename B>
  void Compare(const std::string& what, const A& shard, const B& expected) {
    Say(what, Text(shard), Text(expected));
  }
  void Say(const std::string& what, const std::string& shard, const std::string& expected) {
    if (text_.empty() && shard != expected) text_ = what + ": shard " + shard + ", reference " + expected;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void CompareJob(const std::string& name, const JobBlock& job, const JobLabels& labels, const JobExemplars& exemplars,
                const ref::JobView& view, bool judged, Differ* differ) {
  differ->Compare(name + " live", uint64_t{job.live}, uint64_t{view.live});
  differ->Say(name + " phase", labels.phase, view.phase);
  differ->Compare(name + " started", job.started, view.started);
  for (const ref::Status status : ref::kEnded) {
    const size_t index = static_cast<size_t>(status) - 2;
    differ->Compare(name + " finished " + ref::NameOf(status), job.finished[index], view.finished.at(status));
    const auto exemplar = view.exemplars.find(status);
    differ->Say(name + " exemplar " + ref::NameOf(status), std::string(exemplars[index].text()),
                exemplar == view.exemplars.end() ? "" : exemplar->second);
  }
  differ->Compare(name + " running", job.running, view.running);
  differ->Compare(name + " forgotten", job.forgotten, view.forgotten);
  differ->Compare(name + " late events", job.late_events, view.late_events);
  differ->Say(name + " duration sum", Number(job.duration_sum_s), Number(view.duration_sum_s));
  differ->Compare(name + " duration count", job.duration_count, view.duration_count);
  differ->Compare(name + " consecutive failures", job.consecutive_failures, view.consecutive_failures);
  differ->Compare(name + " oldest start", job.oldest_running_start_us, view.oldest_running_start_us);
  differ->Compare(name + " last start", job.last_start_us, view.last_start_us);
  differ->Compare(name + " last success", job.last_success_us, view.last_success_us);
  differ->Compare(name + " last failure", job.last_failure_us, view.last_failure_us);
  differ->Say(name + " last duration", Number(job.last_duration_s), Number(view.last_duration_s.value_or(-1)));
  if (!judged) return;
  differ->Compare(name + " stale", job.stale, view.stale);
  differ->Compare(name + " silent", job.silent, view.silent);
  differ->Compare(name + " timed out", job.timed_out, view.timed_out);
  differ->Compare(name + " job stale", uint64_t{job.job_stale}, uint64_t{view.job_stale});
  for (size_t i = 0; i < job.windows.size(); ++i) {
    const std::string window = name + " window " + std::string(kWindowNames[i]);
    differ->Compare(window + " good", uint64_t{job.windows[i].good}, view.windows[i].good);
    differ->Compare(window + " all", uint64_t{job.windows[i].all}, view.windows[i].all);
  }
}

}  // namespace

Twins::Twins(bool by_broker, int bounds)
    : by_broker_(by_broker),
      bounds_(bounds),
      shard_(std::make_unique<Shard>(BoundsOf(bounds), ScriptPolicies())),
      reference_(ReferenceBoundsOf(bounds), ReferencePolicies()),
      decoder_(codecs::Limits{}) {}

void Twins::FoldInto(Shard* shard, int64_t stamp_us, const std::vector<std::string>& wires) const {
  shard->BeginRecord(stamp_us, by_broker_ ? TimestampKind::kAppendTime : TimestampKind::kCreateTime);
  for (const std::string& wire : wires) {
    codecs::Event event;
    codecs::Rejection rejection;
    if (decoder_.Decode(wire, stamp_us, &event, &rejection)) shard->Apply(event);
  }
  shard->EndRecord();
}

std::unique_ptr<Shard> Twins::EmptyShard() const {
  return std::make_unique<Shard>(BoundsOf(bounds_), ScriptPolicies());
}

void Twins::Fold(int64_t stamp_us, const std::vector<std::string>& wires) {
  std::vector<ref::Event> expected;
  shard_->BeginRecord(stamp_us, by_broker_ ? TimestampKind::kAppendTime : TimestampKind::kCreateTime);
  for (const std::string& wire : wires) {
    codecs::Event event;
    codecs::Rejection rejection;
    ref::Refusal refusal;
    const bool decoded = decoder_.Decode(wire, stamp_us, &event, &rejection);
    std::optional<ref::Event> same = ref::DecodeEvent(wire, stamp_us, {}, &refusal);
    RC_ASSERT(decoded == same.has_value());
    if (!decoded) continue;
    shard_->Apply(event);
    expected.push_back(std::move(*same));
  }
  shard_->EndRecord();
  reference_.Add(stamp_us, by_broker_, expected);
}

void Twins::AdvanceWatermark(int64_t watermark_us) {
  shard_->AdvanceWatermark(watermark_us);
  watermark_us_ = std::max(watermark_us_.value_or(INT64_MIN), watermark_us);
}

std::string Twins::Difference() const {
  Differ differ;
  const auto block = shard_->Read();
  const std::map<std::string, ref::JobView> views = reference_.Jobs(watermark_us_);
  differ.Compare("watermark", block->positions.watermark_us, watermark_us_);
  differ.Compare("log time", block->positions.log_time_us, reference_.log_time_us());
  std::map<std::string, size_t> numbers;
  for (size_t i = 0; i < block->jobs.size(); ++i) {
    if (block->labels[i] != nullptr) numbers[block->labels[i]->name] = i;
  }
  for (const auto& [name, number] : numbers) differ.Say("job", name, views.count(name) > 0 ? name : "not known");
  for (const auto& [name, view] : views) {
    const auto found = numbers.find(name);
    differ.Say("job", found == numbers.end() ? "not known" : name, name);
    if (found == numbers.end()) continue;
    const size_t i = found->second;
    CompareJob(name, block->jobs[i], *block->labels[i], block->exemplars[i], view, watermark_us_.has_value(), &differ);
    std::map<std::pair<ref::Status, ref::Status>, uint64_t> corrected;
    for (const Correction& c : block->corrections) {
      if (c.job == i) corrected[{static_cast<ref::Status>(c.from), static_cast<ref::Status>(c.to)}] += c.count;
    }
    differ.Compare(name + " corrections are the same", uint64_t{corrected == view.corrected}, uint64_t{1});
  }
  differ.Compare("phases", uint64_t{block->phases.size()}, uint64_t{reference_.Phases().size()});
  for (size_t i = 0; i < block->phases.size(); ++i) {
    const PhaseLabels& labels = *block->phase_labels[i];
    const auto found = reference_.Phases().find({labels.phase, labels.workflow});
    if (found == reference_.Phases().end()) return "phase " + labels.phase + "/" + labels.workflow + " is not known";
    differ.Compare("phase counts", uint64_t{block->phases[i].counts == found->second.counts}, uint64_t{1});
    differ.Say("phase sum", Number(block->phases[i].sum_s), Number(found->second.sum_s));
  }
  return differ.text();
}

std::string Twins::DifferenceOfTables() const {
  Differ differ;
  differ.Compare("open runs", uint64_t{shard_->open_runs()}, uint64_t{reference_.open_runs()});
  differ.Compare("closed runs", uint64_t{shard_->closed_runs()}, uint64_t{reference_.closed_runs()});
  RunQuery all;
  all.limit = SIZE_MAX;
  uint64_t found = 0;
  for (const RunInfo& info : shard_->FindRuns(all)) {
    const std::string name = info.job + "/" + info.run_id + "/" + std::to_string(info.attempt);
    const ref::Run* run = reference_.Find(info.job, {info.run_id, info.attempt});
    if (run == nullptr) return name + " is not known to the reference";
    ++found;
    const bool open = info.status == codecs::Status::kRunning;
    differ.Compare(name + " open", uint64_t{open}, uint64_t{run->open});
    const int64_t date = info.data_date ? *info.data_date : kNever;
    differ.Compare(name + " date", date, run->date ? std::optional<int64_t>(*run->date) : std::nullopt);
    const std::optional<int64_t> start =
        run->start.known == ref::Start::kNone ? std::nullopt : std::optional(run->start.time_us);
    differ.Compare(name + " start", info.started_at_us.value_or(kNever), start);
    differ.Compare(name + " last event", info.last_event_us, run->open ? run->last_event_us : run->key.time_us);
    if (open) continue;
    differ.Say(name + " status", std::string(codecs::StatusName(info.status)), ref::NameOf(run->status));
    differ.Compare(name + " closed by runledger", uint64_t{info.closed_by_runledger}, uint64_t{run->key.rank == 1});
  }
  differ.Compare("runs found", found, uint64_t{reference_.open_runs() + reference_.closed_runs()});
  for (const auto& [key, view] : reference_.Days()) {
    const DayState* day = shard_->FindDay(key.first, key.second);
    const std::string name = key.first + " day " + std::to_string(key.second);
    if (day == nullptr) return name + " is not known to the shard";
    const ref::DayView same{static_cast<ref::Status>(day->best), static_cast<ref::Status>(day->last_status),
                            day->last_time_us, day->attempts};
    differ.Compare(name + " is the same", uint64_t{same == view}, uint64_t{1});
  }
  return differ.text();
}

}  // namespace runledger::aggregators
