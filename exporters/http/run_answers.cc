#include "exporters/http/run_answers.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/http/ask_shards.h"

namespace runledger::exporters {
namespace {

using aggregators::RunInfo;
using aggregators::RunQuery;
using aggregators::Shard;

std::string_view VerdictOf(const RunInfo& run) {
  return run.stale ? "stale" : run.timed_out ? "timed_out" : run.silent ? "silent" : "running";
}

bool GoesBefore(const RunAnswer& a, const RunAnswer& b) {
  const auto key = [](const RunAnswer& answer) {
    const RunInfo& run = answer.run;
    const bool closed = codecs::IsTerminal(run.status);
    const int64_t time_us = closed ? -run.last_event_us : run.started_at_us.value_or(run.last_event_us);
    return std::make_tuple(closed, time_us, std::tie(run.job, run.run_id, run.attempt));
  };
  return key(a) < key(b);
}

}  // namespace

absl::Status PartitionBusy(const ingest::TopicPartition& partition, std::string_view what) {
  return absl::UnavailableError(absl::StrCat("partition ", ToString(partition), " ", std::string(what), "; ask again"));
}

absl::StatusOr<RunAnswers> AskForRuns(const ingest::PartitionDirectory& directory, const RunQuery& query,
                                      std::chrono::milliseconds timeout) {
  RunQuery one_more = query;
  ++one_more.limit;
  auto asked = AskShards<std::vector<RunInfo>>(
      directory, [one_more](const Shard& shard) { return shard.FindRuns(one_more); }, timeout);
  if (!asked.ok()) return asked.status();

  RunAnswers answers;
  for (auto& one : *asked) {
    answers.as_of.Add(one.watermark_us, one.caught_up);
    for (RunInfo& run : one.answer) {
      answers.runs.push_back({one.partition, std::move(run), one.watermark_us, one.caught_up});
    }
  }
  std::sort(answers.runs.begin(), answers.runs.end(), GoesBefore);
  answers.more = answers.runs.size() > query.limit;
  if (answers.more) answers.runs.resize(query.limit);
  return answers;
}

Json RunJson(const RunAnswer& answer) {
  const RunInfo& run = answer.run;
  const bool closed = codecs::IsTerminal(run.status);
  Json json = {{"job", run.job},
               {"run_id", run.run_id},
               {"attempt", run.attempt},
               {"kind", codecs::KindName(run.kind)},
               {"status", codecs::StatusName(run.status)}};
  if (!closed) {
    const bool judged = answer.watermark_us != aggregators::kNever;
    const bool known = judged && answer.caught_up && !run.moved;
    json["verdict"] = known ? VerdictOf(run) : "unknown";
    if (judged && !known && !run.moved) json["at_watermark"] = VerdictOf(run);
  }
  json["started_at"] = run.started_at_us ? TimeJson(*run.started_at_us) : Json();
  json["last_event_at"] = TimeJson(run.last_event_us);
  json["completed_at"] = closed ? TimeJson(run.last_event_us) : Json();
  json["duration_seconds"] = run.duration_s ? Json(*run.duration_s) : Json();
  json["data_date"] = run.data_date ? Json(codecs::FormatDate(*run.data_date)) : Json();
  if (!closed) json["stale_after_seconds"] = static_cast<double>(run.stale_after_us) / 1e6;
  if (closed) json["closed_by_runledger"] = run.closed_by_runledger;
  json.update(PartitionJson(answer.partition));
  return json;
}

}  // namespace runledger::exporters
