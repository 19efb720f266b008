#include "exporters/http/run_answers.h"

#include <algorithm>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::exporters {
namespace {

using aggregators::RunInfo;
using aggregators::RunQuery;
using aggregators::Shard;

struct PartitionRuns {
  std::vector<RunInfo> runs;
  int64_t watermark_us = aggregators::kNever;
  bool caught_up = false;
  bool shown = false;
};

// Runs on the shard's thread. Everything in it is its own: whoever asked may be gone.
std::function<void(const Shard&)> Question(const RunQuery& query,
                                           std::shared_ptr<std::promise<PartitionRuns>> promise) {
  return [query, promise = std::move(promise)](const Shard& shard) {
    try {
      PartitionRuns answer{{}, shard.watermark_us()};
      {
        const auto block = shard.Read();
        answer.caught_up = AsOf::IsCaughtUp(block->positions);
        answer.shown = block->positions.shown;
      }
      // While it is being restored, runs that were seen to end would be running once more.
      if (answer.shown) answer.runs = shard.FindRuns(query);
      promise->set_value(std::move(answer));
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  };
}

absl::Status Busy(const ingest::TopicPartition& partition, std::string_view what) {
  return absl::UnavailableError(absl::StrCat("partition ", ToString(partition), " ", std::string(what), "; ask again"));
}

// Nothing thrown by the answer's own code: that is an error of ours, and goes up.
absl::StatusOr<PartitionRuns> Await(std::future<PartitionRuns>* answer, std::chrono::steady_clock::time_point deadline,
                                    const ingest::TopicPartition& partition) {
  if (answer->wait_until(deadline) != std::future_status::ready)
    return Busy(partition, "is busy and did not answer in time");
  try {
    return answer->get();
  } catch (const std::future_error&) {  // the question was thrown away
    return Busy(partition, "has just left this instance");
  }
}

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

absl::StatusOr<RunAnswers> AskForRuns(const ingest::PartitionDirectory& directory, const RunQuery& query,
                                      std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::vector<ingest::PartitionView> views = directory.List();
  RunQuery one_more = query;
  ++one_more.limit;
  std::vector<std::future<PartitionRuns>> pending;
  for (const ingest::PartitionView& view : views) {
    auto promise = std::make_shared<std::promise<PartitionRuns>>();
    pending.push_back(promise->get_future());
    if (!view.mailbox->Ask(Question(one_more, std::move(promise))))
      return Busy(view.partition, "takes no more questions now");
  }

  RunAnswers answers;
  for (size_t i = 0; i < views.size(); ++i) {
    absl::StatusOr<PartitionRuns> answer = Await(&pending[i], deadline, views[i].partition);
    if (!answer.ok()) return answer.status();
    answers.as_of.Add(answer->watermark_us, answer->caught_up);
    for (RunInfo& run : answer->runs) {
      answers.runs.push_back({views[i].partition, std::move(run), answer->watermark_us, answer->caught_up});
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
    const bool known = judged && answer.caught_up;
    json["verdict"] = known ? VerdictOf(run) : "unknown";
    if (judged && !known) json["at_watermark"] = VerdictOf(run);
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
