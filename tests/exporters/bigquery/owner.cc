#include "exporters/bigquery/owner.h"

#include <algorithm>
#include <chrono>

#include "ingest/stream_rows.h"

namespace runledger::exporters {
namespace {

using ingest::SubmitResult;

constexpr std::chrono::seconds kPatience{60};
constexpr size_t kInFlight = 4;

}  // namespace

std::shared_ptr<const ingest::RowBatch> Owner::Batch(int64_t from, size_t rows) const {
  auto batch = std::make_shared<ingest::RowBatch>(partition_, 0, ingest::Position{from, 0});
  for (int64_t i = from; i < std::min<int64_t>(from + static_cast<int64_t>(rows), static_cast<int64_t>(events_.size()));
       ++i) {
    batch->BeginRecord(false, "", {});
    const auto at = refused.find(i);
    batch->Add({i, 0}, 1'768'217'408'000'000 + i, events_[static_cast<size_t>(i)],
               at == refused.end() ? std::string_view() : std::string_view(at->second));
    batch->ExtendTo({i + 1, 0});
  }
  return batch;
}

Owner::Answer Owner::Next() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return !answers_.empty(); })) {
    Answer none;
    none.open.status = none.result.status = absl::DeadlineExceededError("no answer of the sink");
    none.result.kind = SubmitResult::Kind::kStopped;
    return none;
  }
  Answer answer = std::move(answers_.front());
  answers_.pop_front();
  return answer;
}

ingest::SinkOpened Owner::Open(BigQuerySink* sink, ingest::Tenure tenure) {
  sink_ = sink;
  tenure_ = tenure;
  {
    const std::lock_guard lock(mutex_);
    answers_.clear();
  }
  sink->Open(partition_, tenure, {committed, 0}, metadata);
  Answer answer;
  do {
    answer = Next();
  } while (!answer.opened && !absl::IsDeadlineExceeded(answer.result.status));
  if (!answer.open.status.ok()) return answer.open;
  metadata = opened_metadata_ = answer.open.metadata;
  opened_at_ = committed;
  written = answer.open.position ? answer.open.position->offset + (answer.open.position->index > 0 ? 1 : 0)
                                 : committed + answer.open.rows_to_skip;
  if (metadata.stream_base < 0) metadata.stream_base = opened_metadata_.stream_base = written - committed;
  return answer.open;
}

void Owner::Commit() {
  committed = written;
  metadata = opened_metadata_;
  ingest::AdvanceStream(committed - opened_at_, &metadata);
}

std::string Owner::Write(size_t batch_rows, int64_t until) {
  std::deque<std::pair<uint64_t, std::shared_ptr<const ingest::RowBatch>>> flying;
  int64_t next = written;
  while (written < until) {
    while (flying.size() < kInFlight && next < until) {
      auto batch = Batch(next, std::min<size_t>(batch_rows, static_cast<size_t>(until - next)));
      next = batch->to().offset;
      flying.emplace_back(next_submission_++, batch);
      sink_->Submit(tenure_, flying.back().first, batch);
    }
    const Answer answer = Next();
    if (answer.tenure != tenure_ || answer.opened) {
      if (absl::IsDeadlineExceeded(answer.result.status)) return std::string(answer.result.status.message());
      continue;
    }
    if (flying.empty() || answer.submission != flying.front().first) return "an answer out of order";
    const auto batch = flying.front().second;
    flying.pop_front();
    if (answer.result.kind == SubmitResult::Kind::kDone) {
      written = batch->to().offset;
      continue;
    }
    for (const SubmitResult::Refused& row : answer.result.refused)
      refused[batch->from().offset + static_cast<int64_t>(row.row)] = row.reason;
    if (answer.result.kind == SubmitResult::Kind::kRefused && answer.result.refused.empty())
      return "refused without a row";
    // The others are answered kStopped.
    while (!flying.empty()) {
      const Answer other = Next();
      if (other.opened || other.submission != flying.front().first) return "an answer out of order behind a failure";
      if (other.result.kind == SubmitResult::Kind::kDone) return "rows were written behind a failure";
      flying.pop_front();
    }
    if (answer.result.kind == SubmitResult::Kind::kFenced) {
      ++reopened;
      ingest::SinkOpened opened;
      do {
        opened = Open(sink_, tenure_);
      } while (absl::IsUnavailable(opened.status));
      if (!opened.status.ok()) return std::string(opened.status.message());
    } else if (answer.result.kind == SubmitResult::Kind::kStopped) {
      return std::string(answer.result.status.message());
    }
    next = written;
  }
  return "";
}

SubmitResult Owner::WriteOnce(size_t rows) {
  sink_->Submit(tenure_, next_submission_++, Batch(written, rows));
  const SubmitResult result = Next().result;
  if (result.kind == SubmitResult::Kind::kDone) written += static_cast<int64_t>(rows);
  return result;
}

void Owner::SubmitAndForget(size_t rows) { sink_->Submit(tenure_, next_submission_++, Batch(written, rows)); }

void Owner::OnSinkOpened(const ingest::TopicPartition&, ingest::Tenure tenure, ingest::SinkOpened opened) {
  const std::lock_guard lock(mutex_);
  answers_.push_back({true, std::move(opened), 0, {}, tenure});
  changed_.notify_all();
}

void Owner::OnSubmitted(const ingest::TopicPartition&, ingest::Tenure tenure, uint64_t submission,
                        SubmitResult result) {
  const std::lock_guard lock(mutex_);
  answers_.push_back({false, {}, submission, std::move(result), tenure});
  changed_.notify_all();
}

}  // namespace runledger::exporters
