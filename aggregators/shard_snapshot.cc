#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "aggregators/bytes.h"
#include "aggregators/phase_index.h"
#include "aggregators/shard.h"

// A shard as bytes, and back.
//
// The bytes are items: [ tag : 1 ][ size : 4 ][ fields ... ]. One 'M' (what is not in a table) comes first and one 'E'
// (how many of each) last; between them 'J' jobs, 'D' days, 'O' open runs, 'C' closed runs, one 'X' (what is known
// beside runs, but for single subjects) and 'W' (a workflow, or a job with expected runs) come in any order, because
// what changes while the snapshot is written is written ahead of its turn. Closed runs carry their place in the order
// in which they closed. Deadlines, heaps, verdicts and what follows from others is not written but worked out again.

namespace runledger::aggregators {
namespace {

constexpr uint32_t kFormat = 3;

// Writes one item: its size is known when it ends.
class Item {
 public:
  Item(char tag, std::string* out) : out_(out), writer_(out) {
    out_->push_back(tag);
    at_ = out_->size();
    writer_.Put(uint32_t{0});
  }
  ~Item() {
    const auto size = static_cast<uint32_t>(out_->size() - at_ - sizeof(uint32_t));
    std::memcpy(out_->data() + at_, &size, sizeof size);
  }
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;
  ByteWriter* operator->() { return &writer_; }
  ByteWriter& operator*() { return writer_; }

 private:
  std::string* out_;
  size_t at_;
  ByteWriter writer_;
};

void PutSeries(const BucketSeries& series, ByteWriter* to) {
  to->Put(static_cast<uint32_t>(series.entries().size()));
  for (const BucketSeries::Entry& entry : series.entries()) {
    to->Put(entry.bucket);
    to->Put(entry.outcomes.good);
    to->Put(entry.outcomes.all);
  }
}

void TakeSeries(ByteReader* from, BucketSeries* series) {
  for (auto count = from->Take<uint32_t>(); count > 0 && from->ok(); --count) {
    BucketSeries::Entry entry{};
    entry.bucket = from->Take<int64_t>();
    entry.outcomes.good = from->Take<uint32_t>();
    entry.outcomes.all = from->Take<uint32_t>();
    series->Append(entry);
  }
}

}  // namespace

void Shard::BeginSnapshot() {
  const auto mark = static_cast<uint8_t>(snapshot_.mark + 1);
  snapshot_ = SnapshotProgress{};
  snapshot_.active = true;
  snapshot_.mark = mark;
  snapshot_.jobs_end = jobs_.end();
  snapshot_.days_end = days_.end();
  snapshot_.open_end = runs_.open_end();
  snapshot_.closed_end = runs_.closed_count();
  snapshot_.subjects_end = workflows_.end();
  days_.Mark(mark, [this](uint32_t slot) { WriteDay(slot, &snapshot_.early); });
  workflows_.Mark(mark, [this](uint32_t number) { WriteSubject(number, &snapshot_.early); });
  WriteCommon(&snapshot_.early);
  WriteWorkflows(&snapshot_.early);
}

void Shard::AbortSnapshot() {
  snapshot_.active = false;
  snapshot_.early.clear();
  snapshot_.closed_written.clear();
  days_.Mark(snapshot_.mark, nullptr);
  workflows_.Mark(snapshot_.mark, nullptr);
}

bool Shard::ContinueSnapshot(size_t budget, std::string* out) {
  SnapshotProgress& s = snapshot_;
  const size_t end = out->size() + budget;
  *out += s.early;
  s.early.clear();
  for (; s.next_job < s.jobs_end && out->size() < end; ++s.next_job) {
    if (!jobs_.exists(s.next_job) || jobs_[s.next_job].mark == s.mark) continue;
    jobs_[s.next_job].mark = s.mark;
    WriteJob(s.next_job, out);
    ++s.jobs;
  }
  for (; s.next_day < s.days_end && out->size() < end; ++s.next_day) {
    DayTable::Entry& entry = days_.entry(s.next_day);
    if (!entry.used || entry.mark == s.mark) continue;
    entry.mark = s.mark;
    WriteDay(s.next_day, out);
  }
  for (; s.next_subject < s.subjects_end && out->size() < end; ++s.next_subject) {
    if (workflows_.TakeForSnapshot(s.next_subject)) WriteSubject(s.next_subject, out);
  }
  for (; s.next_open < s.open_end && out->size() < end; ++s.next_open) {
    if (!runs_.InUse(s.next_open) || runs_.open(s.next_open).mark == s.mark) continue;
    runs_.open(s.next_open).mark = s.mark;
    WriteOpen(s.next_open, out);
    ++s.open;
  }
  for (; s.next_closed < s.closed_end && out->size() < end; ++s.next_closed) {
    const RunTable::Ref ref = runs_.ClosedRef(s.next_closed);
    if (s.closed_written.contains(ref)) continue;
    WriteClosed(ref, s.closed_gone + s.next_closed, out);
    ++s.closed;
  }
  if (s.next_job < s.jobs_end || s.next_day < s.days_end || s.next_subject < s.subjects_end ||
      s.next_open < s.open_end || s.next_closed < s.closed_end)
    return false;
  {
    Item item('E', out);
    for (uint32_t count : {s.jobs, s.days, s.open, s.closed, s.subjects}) item->Put(count);
  }
  AbortSnapshot();  // it is complete: nothing is written ahead any more
  return true;
}

void Shard::BeforeJobChange(uint32_t number) {
  if (!snapshot_.active || jobs_[number].mark == snapshot_.mark) return;
  jobs_[number].mark = snapshot_.mark;
  WriteJob(number, &snapshot_.early);
  ++snapshot_.jobs;
}

void Shard::BeforeOpenChange(RunTable::Ref ref) {
  if (!snapshot_.active || runs_.open(ref).mark == snapshot_.mark) return;
  runs_.open(ref).mark = snapshot_.mark;
  WriteOpen(ref, &snapshot_.early);
  ++snapshot_.open;
}

void Shard::BeforeClosedChange(RunTable::Ref ref) {
  if (!snapshot_.active) return;
  const uint32_t place = runs_.PlaceOf(ref);
  if (place < snapshot_.next_closed || place >= snapshot_.closed_end || !snapshot_.closed_written.insert(ref).second)
    return;
  WriteClosed(ref, snapshot_.closed_gone + place, &snapshot_.early);
  ++snapshot_.closed;
}

void Shard::WriteCommon(std::string* out) const {
  Item item('M', out);
  item->Put(kFormat);
  item->Put(watermark_us_);
  item->Put(forgotten_until_us_);
  item->Put(began_us_);
  item->Put(whole_log_);
  item->Put(log_s_);
  item->Put(log_day_);
  item->Put(days_.log_day());
  item->Put(log_clock_.state().now_us);
  item->Put(log_clock_.state().pending_us);
  item->Put(jobs_.end());
  item->Put(static_cast<uint32_t>(runs_.open_count()));
  item->Put(static_cast<uint32_t>(runs_.closed_count()));
  item->Put(static_cast<uint32_t>(corrections_.size()));
  for (const Correction& correction : corrections_) {
    item->Put(correction.job);
    item->Put(correction.from);
    item->Put(correction.to);
    item->Put(correction.count);
  }
  item->Put(static_cast<uint32_t>(phases_.size()));
  for (size_t i = 0; i < phases_.size(); ++i) {
    item->PutText(phase_labels_[i]->phase);
    item->PutText(phase_labels_[i]->workflow);
    for (uint64_t count : phases_[i].counts) item->Put(count);
    item->Put(phases_[i].sum_s);
  }
}

void Shard::WriteJob(uint32_t number, std::string* out) const {
  const Job& job = jobs_[number];
  const JobBlock& block = job.block;
  Item item('J', out);
  item->Put(number);
  item->PutText(job.labels->name);
  item->PutText(job.labels->phase);
  item->Put(job.phase_fixed);
  item->Put(block.live);
  item->Put(block.started);
  for (uint64_t count : block.finished) item->Put(count);
  item->Put(block.forgotten);
  item->Put(block.late_events);
  item->Put(block.duration_sum_s);
  item->Put(block.duration_count);
  item->Put(block.consecutive_failures);
  item->Put(block.last_start_us);
  item->Put(block.last_success_us);
  item->Put(block.last_failure_us);
  item->Put(block.last_duration_s);
  item->Put(block.outcomes);
  item->Put(block.outcome_count);
  item->Put(job.first_event_us);
  item->Put(job.last_log_s);
  for (const BucketSeries& series : job.windows.series()) PutSeries(series, &*item);
  for (uint32_t count : job.durations.counts()) item->Put(count);
  for (const Exemplar& exemplar : job.exemplars) {
    item->Put(exemplar.time_us);
    item->PutText(exemplar.text());
  }
}

void Shard::WriteDay(uint32_t slot, std::string* out) {
  const DayTable::Entry& entry = days_.entry(slot);
  Item item('D', out);
  item->Put(entry.job);
  item->Put(entry.data_date);
  item->Put(entry.state.best);
  item->Put(entry.state.attempts);
  item->Put(entry.state.last_status);
  item->Put(entry.state.last_time_us);
  item->Put(entry.state.last_run);
  for (size_t i = 0; i < entry.state.attempts; ++i) {
    item->Put(entry.state.runs[i]);
    item->Put(entry.state.run_best[i]);
  }
  ++snapshot_.days;
}

void Shard::WriteWorkflows(std::string* out) const {
  Item item('X', out);
  workflows_.WriteCommon(&*item);
}

void Shard::WriteSubject(uint32_t number, std::string* out) {
  Item item('W', out);
  workflows_.WriteSubject(number, &*item);
  ++snapshot_.subjects;
}

void Shard::WriteOpen(RunTable::Ref ref, std::string* out) const {
  const OpenRun& run = runs_.open(ref);
  Item item('O', out);
  item->Put(run.id.high);
  item->Put(run.id.low);
  item->Put(run.job);
  item->Put(run.last_event_us);
  item->Put(run.start_us);
  item->Put(run.seen_log_s);
  item->Put(run.attempt);
  item->Put(run.data_date);
  item->Put(run.start_known);
  item->Put(run.kind);
  item->Put(static_cast<bool>(run.heartbeat));
  item->PutText(runs_.RunIdOf(run));
}

void Shard::WriteClosed(RunTable::Ref ref, uint32_t ordinal, std::string* out) const {
  const ClosedRun& run = runs_.closed(ref);
  const ClosedText text = runs_.TextOf(run);
  Item item('C', out);
  item->Put(ordinal);
  item->Put(run.id.high);
  item->Put(run.id.low);
  item->Put(run.job);
  item->Put(run.time_us);
  item->Put(run.start_us);
  item->Put(run.closed_log_s);
  item->Put(run.status);
  item->Put(run.rank);
  item->Put(run.start_known);
  item->Put(run.in_windows);
  item->Put(text.sequence);
  item->Put(text.duration_s);
  item->Put(text.attempt);
  item->Put(text.data_date);
  item->Put(text.kind);
  item->PutText(text.run_id);
  item->PutText(text.event_id);
}

// Fills an empty shard, item by item.
class Shard::Restorer {
 public:
  explicit Restorer(Shard* shard) : shard_(*shard) {}

  absl::Status Restore(std::string_view bytes) {
    // Jobs first: runs and days refer to them, and may stand before them.
    std::vector<ByteReader> days, open;
    std::vector<std::pair<uint32_t, ByteReader>> closed;
    ByteReader reader(bytes);
    most_items_ = bytes.size() / kLeastItemBytes;
    bool begun = false;
    while (!reader.done()) {
      const char tag = reader.Take<char>();
      const std::string_view fields = reader.TakeText();
      if (!reader.ok()) return absl::DataLossError("the snapshot ends within an item");
      ByteReader item(fields);
      if (tag == 'M') {
        if (absl::Status status = Common(item); !status.ok()) return status;
        begun = true;
        open.reserve(open_count_);
        closed.reserve(closed_count_);
      } else if (!begun) {
        return absl::DataLossError("the snapshot does not begin as one");
      } else if (tag == 'J') {
        if (!AddJob(item)) return absl::DataLossError("a job in the snapshot is damaged");
      } else if (tag == 'D') {
        days.push_back(item);
      } else if (tag == 'O') {
        open.push_back(item);
      } else if (tag == 'C') {
        const auto ordinal = item.Take<uint32_t>();
        closed.emplace_back(ordinal, item);
      } else if (tag == 'X') {
        if (!shard_.workflows_.RestoreCommon(&item) || !item.done())
          return absl::DataLossError("what the snapshot holds of workflows is damaged");
      } else if (tag == 'W') {
        ++subjects_;
        if (!shard_.workflows_.RestoreSubject(&item))
          return absl::DataLossError("a workflow in the snapshot is damaged");
      } else if (tag == 'E') {
        const auto jobs = item.Take<uint32_t>();
        if (jobs != jobs_ || item.Take<uint32_t>() != days.size() || item.Take<uint32_t>() != open.size() ||
            item.Take<uint32_t>() != closed.size() || item.Take<uint32_t>() != subjects_ || !item.ok() ||
            !reader.done()) {
          return absl::DataLossError("the snapshot is not complete");
        }
        return Runs(days, open, &closed);
      } else {
        return absl::DataLossError("the snapshot holds an item that is not known");
      }
    }
    return absl::DataLossError("the snapshot has no end");
  }

 private:
  absl::Status Common(ByteReader& item) {
    const auto format = item.Take<uint32_t>();
    if (format != kFormat) {
      return absl::InvalidArgumentError(
          absl::StrCat("the snapshot has format ", format, ", this version knows ", kFormat));
    }
    shard_.watermark_us_ = item.Take<int64_t>();
    shard_.forgotten_until_us_ = item.Take<int64_t>();
    shard_.began_us_ = item.Take<int64_t>();
    shard_.whole_log_ = item.Take<bool>();
    shard_.log_s_ = item.Take<uint32_t>();
    shard_.log_day_ = item.Take<int32_t>();
    shard_.days_.RestoreLogDay(item.Take<int32_t>());
    LogClock::State clock;
    clock.now_us = item.Take<int64_t>();
    clock.pending_us = item.Take<int64_t>();
    shard_.log_clock_.Restore(clock);
    const auto jobs = item.Take<uint32_t>();
    open_count_ = item.Take<uint32_t>();
    closed_count_ = item.Take<uint32_t>();
    // A damaged count must not take memory that the bytes cannot fill. Numbers of jobs may have gaps.
    if (jobs > kMostJobs || size_t{open_count_} + closed_count_ > most_items_)
      return absl::DataLossError("the snapshot names more jobs or runs than it can hold");
    restored_.resize(jobs);
    shard_.runs_.Reserve(size_t{open_count_} + closed_count_);
    for (auto count = item.Take<uint32_t>(); count > 0 && item.ok(); --count) {
      Correction& correction = shard_.corrections_.emplace_back();
      correction.job = item.Take<uint32_t>();
      correction.from = item.Take<codecs::Status>();
      correction.to = item.Take<codecs::Status>();
      correction.count = item.Take<uint64_t>();
    }
    for (auto count = item.Take<uint32_t>(); count > 0 && item.ok(); --count) {
      const std::string_view phase = item.TakeText();
      const std::string_view workflow = item.TakeText();
      bool is_new = false;
      const size_t number = shard_.phase_index_->Intern(phase, workflow, &is_new);
      if (!is_new) return absl::DataLossError("a phase stands twice in the snapshot");
      shard_.phase_labels_.push_back(std::make_shared<PhaseLabels>(shard_.phase_index_->LabelsOf(number)));
      PhaseBlock& block = shard_.phases_.emplace_back();
      for (uint64_t& bucket : block.counts) bucket = item.Take<uint64_t>();
      block.sum_s = item.Take<double>();
    }
    for (Changes& changes : shard_.changes_) changes.corrections = changes.phases = true;
    return item.ok() && item.done() ? absl::OkStatus() : absl::DataLossError("the head of the snapshot is damaged");
  }

  bool AddJob(ByteReader& item) {
    ++jobs_;
    const auto number = item.Take<uint32_t>();
    const std::string_view name = item.TakeText();
    const std::string_view phase = item.TakeText();
    if (!item.ok() || number >= restored_.size() || restored_[number] || name.empty()) return false;
    if (!shard_.jobs_.Restore(name, number)) return true;  // disabled since
    restored_[number] = true;
    Job& job = shard_.jobs_[number];
    JobBlock& block = job.block;
    const bool phase_fixed = item.Take<bool>();
    if (!job.phase_fixed && phase_fixed) shard_.FixPhase(job, phase);
    block.live = item.Take<bool>();
    block.started = item.Take<uint64_t>();
    for (uint64_t& count : block.finished) count = item.Take<uint64_t>();
    block.forgotten = item.Take<uint64_t>();
    block.late_events = item.Take<uint64_t>();
    block.duration_sum_s = item.Take<double>();
    block.duration_count = item.Take<uint64_t>();
    block.consecutive_failures = item.Take<uint64_t>();
    block.last_start_us = item.Take<int64_t>();
    block.last_success_us = item.Take<int64_t>();
    block.last_failure_us = item.Take<int64_t>();
    block.last_duration_s = item.Take<double>();
    block.outcomes = item.Take<uint32_t>();
    block.outcome_count = std::min<uint8_t>(item.Take<uint8_t>(), kFlappingRuns);
    job.first_event_us = item.Take<int64_t>();
    job.last_log_s = item.Take<uint32_t>();
    for (BucketSeries& series : job.windows.series()) TakeSeries(&item, &series);
    for (size_t bucket = 0; bucket < DurationSketch::kBuckets; ++bucket)
      job.durations.Restore(bucket, item.Take<uint32_t>());
    for (Exemplar& exemplar : job.exemplars) {
      exemplar.time_us = item.Take<int64_t>();
      const std::string_view run_id = item.TakeText();
      if (run_id.size() > exemplar.run_id.size()) return false;
      exemplar.size = static_cast<uint8_t>(run_id.size());
      std::copy(run_id.begin(), run_id.end(), exemplar.run_id.begin());
    }
    shard_.MarkDirty(number);
    return item.ok() && item.done();
  }

  // Of a job that is here again. Runs of one that the configuration has disabled since are left out.
  bool Known(uint32_t job) const { return job < restored_.size() && restored_[job]; }

  absl::Status Runs(std::vector<ByteReader>& days, std::vector<ByteReader>& open,
                    std::vector<std::pair<uint32_t, ByteReader>>* closed) {
    shard_.jobs_.FinishRestoring();
    for (ByteReader& item : days) {
      if (!AddDay(item)) return absl::DataLossError("a day in the snapshot is damaged");
    }
    for (ByteReader& item : open) {
      if (!AddOpen(item)) return absl::DataLossError("an open run in the snapshot is damaged");
    }
    std::sort(closed->begin(), closed->end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [ordinal, item] : *closed) {
      if (!AddClosed(item)) return absl::DataLossError("a closed run in the snapshot is damaged");
    }
    std::erase_if(shard_.corrections_, [&](const Correction& c) { return !Known(c.job); });
    Workflows();
    return absl::OkStatus();
  }

  void Workflows() {
    shard_.workflows_.FinishRestoring();
    for (uint32_t number = 0; number < shard_.jobs_.end(); ++number) {
      if (shard_.jobs_.exists(number))
        shard_.jobs_[number].expected = shard_.workflows_.FindJob(shard_.jobs_[number].labels->name);
    }
  }

  bool AddDay(ByteReader& item) {
    const auto job = item.Take<uint32_t>();
    const auto date = item.Take<int32_t>();
    DayState state;
    state.best = item.Take<codecs::Status>();
    state.attempts = item.Take<uint8_t>();
    state.last_status = item.Take<codecs::Status>();
    state.last_time_us = item.Take<int64_t>();
    state.last_run = item.Take<uint64_t>();
    if (state.attempts > DayState::kMaxAttempts) return false;
    for (size_t i = 0; i < state.attempts; ++i) {
      state.runs[i] = item.Take<uint64_t>();
      state.run_best[i] = item.Take<codecs::Status>();
    }
    if (Known(job)) shard_.days_.Restore(job, date, state);
    return item.ok() && item.done();
  }

  bool AddOpen(ByteReader& item) {
    codecs::Hash128 id;
    id.high = item.Take<uint64_t>();
    id.low = item.Take<uint64_t>();
    const auto job_number = item.Take<uint32_t>();
    OpenRun read{};
    read.last_event_us = item.Take<int64_t>();
    read.start_us = item.Take<int64_t>();
    read.seen_log_s = item.Take<uint32_t>();
    read.attempt = item.Take<int32_t>();
    read.data_date = item.Take<int32_t>();
    read.start_known = item.Take<StartClass>();
    read.kind = item.Take<codecs::Kind>();
    read.heartbeat = item.Take<bool>();
    const std::string_view run_id = item.TakeText();
    if (!item.ok() || !item.done()) return false;
    if (!Known(job_number)) return true;
    if (shard_.runs_.Find(id) != RunTable::kNone) return false;
    const RunTable::Ref ref = shard_.runs_.AddOpen(id, run_id);
    OpenRun& run = shard_.runs_.open(ref);
    run.job = job_number;
    run.last_event_us = read.last_event_us;
    run.start_us = read.start_us;
    run.seen_log_s = read.seen_log_s;
    run.attempt = read.attempt;
    run.data_date = read.data_date;
    run.start_known = read.start_known;
    run.kind = read.kind;
    run.heartbeat = read.heartbeat;
    run.mark = shard_.snapshot_.mark;
    Job& job = shard_.jobs_[job_number];
    ++job.block.running;
    shard_.AddStart(job, ref);
    shard_.Judge(job, run);
    shard_.ArmFor(job, ref);
    return true;
  }

  bool AddClosed(ByteReader& item) {
    ClosedRun run{};
    run.id.high = item.Take<uint64_t>();
    run.id.low = item.Take<uint64_t>();
    run.job = item.Take<uint32_t>();
    run.time_us = item.Take<int64_t>();
    run.start_us = item.Take<int64_t>();
    run.closed_log_s = item.Take<uint32_t>();
    run.status = item.Take<codecs::Status>();
    run.rank = item.Take<uint8_t>();
    run.start_known = item.Take<StartClass>();
    run.in_windows = item.Take<bool>();
    ClosedText text{};
    text.sequence = item.Take<int64_t>();
    text.duration_s = item.Take<double>();
    text.attempt = item.Take<int32_t>();
    text.data_date = item.Take<int32_t>();
    text.kind = item.Take<codecs::Kind>();
    text.run_id = item.TakeText();
    text.event_id = item.TakeText();
    if (!item.ok() || !item.done()) return false;
    if (!Known(run.job)) return true;
    if (shard_.runs_.Find(run.id) != RunTable::kNone) return false;
    ClosedRun& stored = shard_.runs_.closed(shard_.runs_.AddClosed(run.id, text));
    run.text = stored.text;
    stored = run;
    return true;
  }

  static constexpr size_t kLeastItemBytes = 1 + sizeof(uint32_t);  // tag and size
  static constexpr uint32_t kMostJobs = 1u << 27;

  Shard& shard_;
  size_t most_items_ = 0;
  std::vector<bool> restored_;  // by job number
  uint32_t jobs_ = 0;           // read
  uint32_t subjects_ = 0;
  uint32_t open_count_ = 0;
  uint32_t closed_count_ = 0;
};

absl::Status Shard::RestoreSnapshot(std::string_view bytes) { return Restorer(this).Restore(bytes); }

}  // namespace runledger::aggregators
