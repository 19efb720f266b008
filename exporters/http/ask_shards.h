#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/shard.h"
#include "exporters/http/as_of.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// What one partition's thread said.
template <typename Answer>
struct ShardAnswer {
  ingest::TopicPartition partition;
  int64_t watermark_us = aggregators::kNever;
  bool caught_up = false;
  bool shown = false;
  Answer answer = {};  // empty unless shown
};

// Unavailable: "partition t[3] is busy ...; ask again".
absl::Status PartitionBusy(const ingest::TopicPartition& partition, std::string_view what);

// Puts a question to every partition's thread, and waits for all of them until `timeout` has passed. Unavailable if one
// could not be asked or did not answer in time; a question that is still asked then finds nobody, and does no harm.
//
// `question` is copied, and runs on several threads, perhaps when whoever asked is gone: everything in it must be its
// own. A partition that is being restored is not asked: what was seen to end would be running once more.
template <typename Answer>
absl::StatusOr<std::vector<ShardAnswer<Answer>>> AskShards(
    const ingest::PartitionDirectory& directory, const std::function<Answer(const aggregators::Shard&)>& question,
    std::chrono::milliseconds timeout) {
  using One = ShardAnswer<Answer>;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::vector<One> answers;
  std::vector<std::future<One>> pending;
  for (const ingest::PartitionView& view : directory.List()) {
    auto promise = std::make_shared<std::promise<One>>();
    pending.push_back(promise->get_future());
    answers.push_back({view.partition});
    const bool taken =
        view.mailbox->Ask([question, promise = std::move(promise), partition = view.partition](const auto& shard) {
          try {
            One answer{partition, shard.watermark_us()};
            {
              const auto block = shard.Read();
              answer.caught_up = AsOf::IsCaughtUp(block->positions);
              answer.shown = block->positions.shown;
            }
            if (answer.shown) answer.answer = question(shard);
            promise->set_value(std::move(answer));
          } catch (...) {
            promise->set_exception(std::current_exception());
          }
        });
    if (!taken) return PartitionBusy(view.partition, "takes no more questions now");
  }
  for (size_t i = 0; i < pending.size(); ++i) {
    if (pending[i].wait_until(deadline) != std::future_status::ready)
      return PartitionBusy(answers[i].partition, "is busy and did not answer in time");
    try {  // what the question itself threw is an error of ours, and goes up
      answers[i] = pending[i].get();
    } catch (const std::future_error&) {  // the question was thrown away
      return PartitionBusy(answers[i].partition, "has just left this instance");
    }
  }
  return answers;
}

}  // namespace runledger::exporters
