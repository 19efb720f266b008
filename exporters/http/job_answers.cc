#include "exporters/http/job_answers.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "exporters/prometheus/job_sum.h"

namespace runledger::exporters {
namespace {

using aggregators::JobBlock;
using aggregators::kNever;

int64_t LastEnd(const JobBlock& job) { return std::max(job.last_success_us, job.last_failure_us); }

void Merge(const JobBlock& job, JobBlock* sum) {
  if (LastEnd(job) > LastEnd(*sum)) sum->last_duration_s = job.last_duration_s;
  // One success anywhere is a success; partitions that know history only have no say.
  sum->job_stale = sum->live && job.live ? sum->job_stale && job.job_stale : sum->job_stale || job.job_stale;
  AddCounters(job, sum);
  AddGauges(job, sum);
  for (size_t i = 0; i < sum->windows.size(); ++i) {
    sum->windows[i].good += job.windows[i].good;
    sum->windows[i].all += job.windows[i].all;
  }
}

Json SecondsJson(double seconds) { return seconds < 0 ? Json() : Json(seconds); }

}  // namespace

bool JobAnswer::needs_attention() const {
  if (has_verdicts() && (block.stale > 0 || block.silent > 0 || block.timed_out > 0 || block.job_stale)) return true;
  return in_one_partition() && block.consecutive_failures > 0;
}

JobAnswers CollectJobs(const ingest::PartitionDirectory& directory, std::string_view only) {
  JobAnswers answers;
  std::map<std::string_view, JobAnswer> by_name;  // the names are those in JobAnswer::names
  for (const ingest::PartitionView& view : directory.List()) {
    const auto block = view.shard->Read();
    answers.partitions.push_back({view.partition, block->positions});
    answers.as_of.Add(block->positions);
    if (!block->positions.shown) continue;
    for (size_t number = 0; number < block->jobs.size(); ++number) {
      const std::shared_ptr<const aggregators::JobLabels>& names = block->labels[number];
      if (names == nullptr || (!only.empty() && names->name != only)) continue;
      JobAnswer& job = by_name.try_emplace(names->name, JobAnswer{names, {}, {}, {}, 0}).first->second;
      JobBlock part = block->jobs[number];
      if (part.moved) {  // counted here; what is true of it now, its new home says
        part.live = false;
        part.consecutive_failures = 0;
      } else {
        ++job.homes;
      }
      if (job.partitions.empty()) {
        job.block = part;
      } else {
        Merge(part, &job.block);
      }
      if (!part.moved && job.homes == 1) {  // what has no sum is its home's
        job.block.consecutive_failures = part.consecutive_failures;
        job.block.p95_duration_s = part.p95_duration_s;
      }
      job.partitions.push_back(view.partition);
      job.as_of.Add(block->positions);
    }
  }
  for (auto& [name, job] : by_name) answers.jobs.push_back(std::move(job));
  return answers;
}

Json JobJson(const JobAnswer& job) {
  const JobBlock& block = job.block;
  Json json = {{"name", job.names->name},
               {"phase", job.names->phase},
               {"display_name", job.names->display_name},
               {"priority", job.names->priority}};
  for (const ingest::TopicPartition& partition : job.partitions) json["partitions"].push_back(PartitionJson(partition));
  json.update(AnswerJson(job.as_of));
  json["running"] = block.running;
  // null: not known. Behind the log, what held at the watermark stands apart: it may hold no longer.
  const Json verdicts = {
      {"stale", block.stale}, {"silent", block.silent}, {"timed_out", block.timed_out}, {"job_stale", block.job_stale}};
  for (const auto& [name, value] : verdicts.items()) json[name] = job.has_verdicts() ? value : Json();
  if (job.judged() && !job.has_verdicts()) json["at_watermark"] = verdicts;
  // In the order of one log: two have no order between them.
  json["consecutive_failures"] = job.in_one_partition() ? Json(block.consecutive_failures) : Json();
  json["started"] = block.started;
  for (const codecs::Status status : codecs::kAllTerminalStatuses) {
    json["finished"][std::string(codecs::StatusName(status))] = block.finished[codecs::TerminalIndex(status)];
  }
  json["forgotten"] = block.forgotten;
  json["late_events"] = block.late_events;
  json["oldest_running_start"] = TimeJson(block.oldest_running_start_us);
  json["last_start"] = TimeJson(block.last_start_us);
  json["last_success"] = TimeJson(block.last_success_us);
  json["last_failure"] = TimeJson(block.last_failure_us);
  json["last_duration_seconds"] = SecondsJson(block.last_duration_s);
  json["p95_duration_seconds"] = job.in_one_partition() ? SecondsJson(block.p95_duration_s) : Json();
  for (size_t i = 0; i < block.windows.size(); ++i) {
    const aggregators::Outcomes& outcomes = block.windows[i];
    json["success_ratio"][std::string(aggregators::kWindowNames[i])] =
        job.judged() && outcomes.all > 0 ? Json(static_cast<double>(outcomes.good) / outcomes.all) : Json();
  }
  return json;
}

}  // namespace runledger::exporters
