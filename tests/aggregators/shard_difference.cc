#include "aggregators/shard_difference.h"

#include "aggregators/differ.h"

namespace runledger::aggregators {
namespace {

namespace ref = reference;

void CompareJob(const std::string& name, const JobBlock& job, const JobLabels& labels, const JobExemplars& exemplars,
                const ref::JobView& view, bool judged, bool near, Differ* differ) {
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
  differ->Number(name + " duration sum", job.duration_sum_s, view.duration_sum_s, near);
  differ->Compare(name + " duration count", job.duration_count, view.duration_count);
  differ->Compare(name + " consecutive failures", job.consecutive_failures, view.consecutive_failures);
  differ->Compare(name + " oldest start", job.oldest_running_start_us, view.oldest_running_start_us);
  differ->Compare(name + " last start", job.last_start_us, view.last_start_us);
  differ->Compare(name + " last success", job.last_success_us, view.last_success_us);
  differ->Compare(name + " last failure", job.last_failure_us, view.last_failure_us);
  differ->Say(name + " last duration", NumberText(job.last_duration_s), NumberText(view.last_duration_s.value_or(-1)));
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

// What was counted before the base goes; of what runs there, the start counts.
void Subtract(const CounterBase& base, const std::string& name, ref::JobView* view) {
  const auto found = base.jobs.find(name);
  if (found == base.jobs.end()) return;
  const ref::JobView& before = found->second;
  view->started = view->started - before.started + before.running;
  view->forgotten -= before.forgotten;
  view->late_events -= before.late_events;
  view->duration_count -= before.duration_count;
  view->duration_sum_s -= before.duration_sum_s;
  for (auto& [status, count] : view->finished) count -= before.finished.at(status);
  for (const auto& [pair, count] : before.corrected) view->corrected[pair] -= count;
}

void Subtract(const CounterBase& base, const std::pair<std::string, std::string>& phase, ref::PhaseView* view) {
  const auto found = base.phases.find(phase);
  if (found == base.phases.end()) return;
  for (size_t i = 0; i < view->counts.size(); ++i) view->counts[i] -= found->second.counts[i];
  view->sum_s -= found->second.sum_s;
}

}  // namespace

std::string DifferenceOf(const ShardBlock& block, const ref::Fold& fold, std::optional<int64_t> watermark_us,
                         const CounterBase* base) {
  Differ differ;
  std::map<std::string, ref::JobView> views = fold.Jobs(watermark_us);
  if (base != nullptr) {
    for (auto& [name, view] : views) Subtract(*base, name, &view);
  }
  differ.Compare("watermark", block.positions.watermark_us, watermark_us);
  differ.Compare("log time", block.positions.log_time_us, fold.log_time_us());
  std::map<std::string, size_t> numbers;
  for (size_t i = 0; i < block.jobs.size(); ++i) {
    if (block.labels[i] != nullptr) numbers[block.labels[i]->name] = i;
  }
  for (const auto& [name, number] : numbers) differ.Say("job", name, views.count(name) > 0 ? name : "not known");
  for (const auto& [name, view] : views) {
    const auto found = numbers.find(name);
    differ.Say("job", found == numbers.end() ? "not known" : name, name);
    if (found == numbers.end()) continue;
    const size_t i = found->second;
    CompareJob(name, block.jobs[i], *block.labels[i], block.exemplars[i], view, watermark_us.has_value(),
               base != nullptr, &differ);
    std::map<std::pair<ref::Status, ref::Status>, uint64_t> corrected;
    for (const Correction& c : block.corrections) {
      if (c.job == i) corrected[{static_cast<ref::Status>(c.from), static_cast<ref::Status>(c.to)}] += c.count;
    }
    std::erase_if(corrected, [](const auto& entry) { return entry.second == 0; });
    std::map<std::pair<ref::Status, ref::Status>, uint64_t> expected = view.corrected;
    std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });
    differ.Compare(name + " corrections are the same", uint64_t{corrected == expected}, uint64_t{1});
  }
  differ.Compare("phases", uint64_t{block.phases.size()}, uint64_t{fold.Phases().size()});
  for (size_t i = 0; i < block.phases.size(); ++i) {
    const PhaseLabels& labels = *block.phase_labels[i];
    const auto found = fold.Phases().find({labels.phase, labels.workflow});
    if (found == fold.Phases().end()) return "phase " + labels.phase + "/" + labels.workflow + " is not known";
    ref::PhaseView expected = found->second;
    if (base != nullptr) Subtract(*base, {labels.phase, labels.workflow}, &expected);
    differ.Compare("phase counts", uint64_t{block.phases[i].counts == expected.counts}, uint64_t{1});
    differ.Number("phase sum", block.phases[i].sum_s, expected.sum_s, base != nullptr);
  }
  return differ.text();
}

}  // namespace runledger::aggregators
