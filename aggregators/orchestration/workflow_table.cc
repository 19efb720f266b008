#include "aggregators/orchestration/workflow_table.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "aggregators/job_policy.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {

struct WorkflowTable::Index {
  absl::flat_hash_map<std::string, uint32_t> numbers;
};

WorkflowTable::WorkflowTable(std::shared_ptr<const WorkflowPolicies> policies, int days)
    : policies_(policies != nullptr ? std::move(policies) : std::make_shared<const WorkflowPolicies>()),
      days_(days),
      index_(std::make_unique<Index>()) {}

WorkflowTable::~WorkflowTable() = default;

uint32_t WorkflowTable::Find(std::string_view name) const {
  const auto found = index_->numbers.find(std::string(name));
  return found == index_->numbers.end() ? kNone : found->second;
}

const WorkflowTrack* WorkflowTable::FindTrack(std::string_view name) const {
  const uint32_t number = Find(name);
  return number == kNone ? nullptr : tracks_[number].get();
}

uint32_t WorkflowTable::FindJob(std::string_view name) const {
  const uint32_t number = Find(name);
  return number != kNone && tracks_[number]->has_job_runs() ? number : kNone;
}

uint32_t WorkflowTable::Intern(std::string_view name) {
  if (const uint32_t known = Find(name); known != kNone) return known;
  const WorkflowPolicy& policy = policies_->Find(name);
  if (!policy.enabled) return kNone;
  if (used_ >= kMostSubjects) {
    ++dropped_;
    for (Dirty& dirty : dirty_) dirty.common = true;
    return kNone;
  }
  return Add(name, policy);
}

uint32_t WorkflowTable::Add(std::string_view name, const WorkflowPolicy& policy) {
  uint32_t number = end();
  if (free_.empty()) {
    tracks_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  tracks_[number] = std::make_unique<WorkflowTrack>(std::string(name), &policy, known_since_us_);
  tracks_[number]->mark = mark_;
  if (is_home_) tracks_[number]->SetHome(is_home_(name));
  index_->numbers.emplace(std::string(name), number);
  ++used_;
  NoteChange();
  days_due_us_ = INT64_MIN;
  MarkDirty(number);
  return number;
}

void WorkflowTable::Remove(uint32_t number) {
  ToChange(number);
  index_->numbers.erase(tracks_[number]->name());
  tracks_[number] = nullptr;
  free_.push_back(number);
  --used_;
  MarkDirty(number);
}

WorkflowTrack& WorkflowTable::ToChange(uint32_t number) {
  WorkflowTrack& track = *tracks_[number];
  if (before_change_ && track.mark != mark_) {
    before_change_(number);
    track.mark = mark_;
  }
  return track;
}

void WorkflowTable::Changed(uint32_t number, size_t items_before) {
  const WorkflowTrack& track = *tracks_[number];
  items_ += track.items();
  items_ -= items_before;
  settles_at_us_ = std::min(settles_at_us_, track.settles_at_us());
  NoteChange();
}

void WorkflowTable::MarkDirty(uint32_t number) {
  for (Dirty& dirty : dirty_) {
    if (number >= dirty.listed.size()) dirty.listed.resize(number + 1);
    if (dirty.listed[number]) continue;
    dirty.listed[number] = true;
    dirty.numbers.push_back(number);
  }
}

uint32_t WorkflowTable::Apply(const codecs::Event& event, int64_t log_time_us) {
  uint32_t expected_job = kNone;
  switch (event.body) {
    case codecs::Body::kExpected:
      expected_job = ApplyExpected(event, log_time_us);
      break;
    case codecs::Body::kDecision:
      ApplyDecision(event);
      break;
    case codecs::Body::kVerdict:
      ApplyVerdict(event);
      break;
    case codecs::Body::kCleanup:
      ApplyCleanup(event);
      break;
    case codecs::Body::kRun:
      break;
  }
  if (items_ > kMostItems) Trim();
  return expected_job;
}

uint32_t WorkflowTable::ApplyExpected(const codecs::Event& event, int64_t log_time_us) {
  const codecs::OtherFields& row = event.other;
  const int64_t due_us = *row.due_us;
  const bool of_job = !row.job_name.empty();
  ExpectedDetails details = ReadExpected(event);
  const bool made = IsMade(event) && details.expected_date && details.locked_at_us;
  // Days far from the log's own are somebody's mistake; they would only take room.
  const int32_t day = codecs::DayOf(due_us);
  const bool far = day < std::max(first_day_, log_day_ - days_) || day > log_day_ + days_;
  // Nobody makes a day before it has begun anywhere.
  if (made ? *details.expected_date > log_day_ + 1 : far) return kNone;
  const uint32_t number = Intern(of_job ? row.job_name : row.workflow);
  if (number == kNone) return kNone;
  WorkflowTrack& track = ToChange(number);
  // What is said of the day holds, be the row kept or not.
  if (made) {
    days_due_us_ = INT64_MIN;
    if (!track.AddMadeDay({*details.expected_date, details.schedule_version, *details.locked_at_us})) return kNone;
  }
  if (far) return kNone;
  const size_t before = track.items();
  const bool had_job_runs = track.has_job_runs();
  Expectation expected;
  expected.due_us = due_us;
  expected.date = details.expected_date.value_or(Expectation::kNoDate);
  expected.of_job = of_job;
  auto text = std::make_shared<ExpectedText>();
  if (of_job) text->workflow = row.workflow;
  text->reason = std::move(details.reason);
  text->priority = std::move(details.priority);
  text->made = made;
  expected.text = std::move(text);
  track.AddExpected(std::move(expected));
  if (track.HasToForget(INT64_MIN)) track.Forget(INT64_MIN);
  const bool job_is_new = !had_job_runs && track.has_job_runs();
  if (job_is_new) track.StartsKnownSince(log_time_us);
  Changed(number, before);
  return job_is_new ? number : kNone;
}

void WorkflowTable::ApplyDecision(const codecs::Event& event) {
  const std::optional<Action> action = ActionFromName(event.other.action);
  const uint32_t number = Intern(event.other.workflow);
  if (number == kNone || !action) return;
  DecisionDetails details = ReadDecision(event);
  const int32_t day = codecs::DayOf(details.decision_time_us);
  if (day < first_day_ || day > log_day_ + days_) return;
  WorkflowTrack& track = ToChange(number);
  const size_t before = track.items();
  Decision decision;
  decision.time_us = details.decision_time_us;
  decision.id = codecs::HashBytes(details.decision_id);
  decision.event_us = event.time_us;
  decision.sequence = event.sequence;
  decision.event_hash = codecs::Hash64(event.id);
  decision.action = *action;
  decision.next_check_us = details.next_check_time_us;
  decision.decision_id = std::move(details.decision_id);
  decision.reason = std::move(details.reason);
  decision.priority = std::move(details.priority);
  decision.alert_level = std::move(details.alert_level);
  track.AddDecision(std::move(decision));
  if (track.HasToForget(INT64_MIN)) track.Forget(INT64_MIN);
  if (*action != Action::kRun) refusals_changed_ = true;
  Changed(number, before);
}

void WorkflowTable::ApplyVerdict(const codecs::Event& event) {
  const std::optional<RunVerdict> verdict = VerdictFromName(event.other.verdict);
  const uint32_t number = Find(event.other.verdict_subject);
  if (number == kNone || !verdict) return;  // of something that is not held: a row, nothing else
  WorkflowTrack& track = ToChange(number);
  if (!track.ApplyVerdict(*event.other.due_us, *verdict, ReadVerdict(event))) return;
  Changed(number, track.items());
}

void WorkflowTable::ApplyCleanup(const codecs::Event& event) {
  const uint64_t hash = codecs::Hash64(event.id);
  if (cleanup_ && std::make_pair(cleanup_->time_us, cleanup_->event_hash) >= std::make_pair(event.time_us, hash))
    return;
  CleanupDetails details = ReadCleanup(event);
  CleanupInfo& cleanup = cleanup_.emplace();
  cleanup.time_us = event.time_us;
  cleanup.event_hash = hash;
  cleanup.cleanup_id = details.cleanup_id.empty() ? std::string(event.id) : std::move(details.cleanup_id);
  cleanup.files_checked = details.files_checked;
  cleanup.missing_files_found = details.missing_files_found;
  cleanup.republished_count = details.republished_count;
  if (details.missing_files.empty()) {
    cleanup.files_known = details.missing_files_found <= 0;
  } else if (auto files = codecs::ParseMissingFiles(details.missing_files, event.time_us, CleanupInfo::kMostFiles)) {
    cleanup.files_known = true;
    cleanup.files = *std::move(files);
  }
  for (Dirty& dirty : dirty_) dirty.common = true;
}

void WorkflowTable::AddStart(uint32_t number, const StartOfRun& start) {
  WorkflowTrack& track = ToChange(number);
  const size_t before = track.items();
  const bool changes = track.AddStart(start);
  if (track.HasToForget(INT64_MIN)) {
    track.Forget(INT64_MIN);
    Changed(number, before);
  } else {
    items_ += track.items() - before;
    if (changes) NoteChange();
  }
}

void WorkflowTable::FindNextSettling() {
  settles_at_us_ = INT64_MAX;
  for (const auto& track : tracks_) {
    if (track != nullptr) settles_at_us_ = std::min(settles_at_us_, track->settles_at_us());
  }
}

void WorkflowTable::SettleUntil(int64_t log_time_us) {
  if (log_time_us <= settles_at_us_) return;
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number) || log_time_us <= tracks_[number]->settles_at_us()) continue;
    ToChange(number).SettleUntil(log_time_us);
  }
  NoteChange();
  FindNextSettling();
}

std::vector<std::string> WorkflowTable::AdvanceTo(int32_t log_day, int64_t log_time_us) {
  if (known_since_us_ == INT64_MIN) {
    known_since_us_ = log_time_us;
    SetKnownSince(log_time_us);
  }
  if (log_day <= log_day_) return {};
  log_day_ = log_day;
  first_day_ = std::max(first_day_, log_day_ - days_);
  std::vector<std::string> jobs;
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number) || !(tracks_[number]->empty() || tracks_[number]->HasToForget(int64_t{first_day_} * kDayUs)))
      continue;
    const bool had_job_runs = tracks_[number]->has_job_runs();
    ForgetOld(number);
    const bool gone = tracks_[number]->empty() && !tracks_[number]->configured;
    // One that is gone is nobody's any more, though its expected runs went before it, for want of room.
    if (gone || (had_job_runs && !tracks_[number]->has_job_runs())) jobs.push_back(tracks_[number]->name());
    if (gone) Remove(number);
  }
  FindNextSettling();
  return jobs;
}

void WorkflowTable::ForgetOld(uint32_t number) {
  WorkflowTrack& track = ToChange(number);
  const size_t before = track.items();
  track.Forget(int64_t{first_day_} * kDayUs);
  Changed(number, before);
}

void WorkflowTable::SetKnownSince(int64_t time_us) {
  for (const auto& track : tracks_) {
    if (track != nullptr && track->since_unknown()) track->KnownSince(time_us);
  }
  NoteChange();
}

// Too much altogether: the oldest days go first, so that what is kept is everybody's.
void WorkflowTable::Trim() {
  while (items_ > kMostItems && first_day_ < log_day_) {
    ++first_day_;
    for (uint32_t number = 0; number < end(); ++number) {
      if (exists(number) && tracks_[number]->HasToForget(int64_t{first_day_} * kDayUs)) ForgetOld(number);
    }
  }
  FindNextSettling();
}

void WorkflowTable::LoseCounters() {
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number)) continue;
    ToChange(number).LoseCounters();
    MarkDirty(number);
  }
  dropped_ = 0;
  for (Dirty& dirty : dirty_) dirty.common = true;
}

void WorkflowTable::SetHome(const IsHome& is_home, bool configured) {
  is_home_ = is_home;
  for (const auto& track : tracks_) {
    if (track != nullptr) track->SetHome(is_home_(track->name()));
  }
  NoteChange();
  misses_configured_ = configured;
  FindConfigured();
}

void WorkflowTable::FindConfigured() {
  days_due_us_ = INT64_MIN;
  for (const auto& track : tracks_) {
    if (track != nullptr) track->configured = false;
  }
  if (!misses_configured_ || !is_home_) return;
  for (const std::string& name : policies_->Names()) {
    uint32_t number = Find(name);
    const bool here = is_home_(name);
    if (number == kNone && here && used_ < kMostSubjects) number = Add(name, policies_->Find(name));
    if (number != kNone) tracks_[number]->configured = here;
  }
}

std::vector<std::string> WorkflowTable::SetPolicies(std::shared_ptr<const WorkflowPolicies> policies,
                                                    int64_t log_time_us) {
  // Subjects point into them until they are given others.
  if (policies == nullptr) policies = std::make_shared<const WorkflowPolicies>();
  const std::shared_ptr<const WorkflowPolicies> before = std::exchange(policies_, std::move(policies));
  // Of what was disabled nothing was kept: whatever is new from here on is known from here on.
  if (before->DisableAny() && log_day_ != INT32_MIN) known_since_us_ = std::max(known_since_us_, log_time_us);
  std::vector<std::string> jobs;
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number)) continue;
    WorkflowTrack& track = *tracks_[number];
    const WorkflowPolicy& policy = policies_->Find(track.name());
    if (!policy.enabled) {
      if (track.has_job_runs()) jobs.push_back(track.name());
      items_ -= track.items();
      Remove(number);
      continue;
    }
    track.SetPolicy(&policy);
  }
  FindConfigured();
  for (uint32_t number = 0; number < end(); ++number) {
    if (exists(number) && tracks_[number]->empty() && !tracks_[number]->configured) Remove(number);
  }
  FindNextSettling();
  NoteChange();
  return jobs;
}

void WorkflowTable::Judge(int64_t watermark_us) {
  // A log of which nothing was folded is known from the first watermark on: nothing is in it.
  if (known_since_us_ == INT64_MIN && watermark_us != INT64_MIN && !std::exchange(watched_, true))
    SetKnownSince(watermark_us);
  if (!changed_ && watermark_us < changes_at_us_) return;
  const auto others = [this](std::string_view name) { return FindTrack(name); };
  changes_at_us_ = INT64_MAX;
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number)) continue;
    WorkflowTrack& track = *tracks_[number];
    if (refusals_changed_ && track.names_workflows()) track.Touch();
    if (watermark_us >= track.changes_at_us()) {
      track.Judge(watermark_us, others);
      MarkDirty(number);
    }
    changes_at_us_ = std::min(changes_at_us_, track.changes_at_us());
  }
  changed_ = refusals_changed_ = false;
}

void WorkflowTable::Fill(size_t copy, OrchestrationBlock* block) {
  Dirty& dirty = dirty_[copy];
  if (block->workflows.size() < tracks_.size()) {
    block->workflows.resize(tracks_.size());
    block->labels.resize(tracks_.size());
  }
  for (const uint32_t number : dirty.numbers) {
    dirty.listed[number] = false;
    block->labels[number] = exists(number) ? tracks_[number]->labels() : nullptr;
    block->workflows[number] = exists(number) ? tracks_[number]->block() : WorkflowBlock{};
  }
  dirty.numbers.clear();
  if (!std::exchange(dirty.common, false)) return;
  block->dropped = dropped_;
  block->missing_files = {};
  block->cleanup_us = cleanup_ ? cleanup_->time_us : WorkflowBlock::kNoTime;
  block->files_known = cleanup_ && cleanup_->files_known;
  if (!block->files_known) return;
  for (const codecs::MissingFile& file : cleanup_->files)
    ++block->missing_files[static_cast<size_t>(UrgencyOf(file.age_minutes.value_or(0)))];
}

}  // namespace runledger::aggregators
