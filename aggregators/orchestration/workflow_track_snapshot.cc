#include <memory>
#include <utility>

#include "aggregators/bytes.h"
#include "aggregators/orchestration/workflow_track.h"

// What a snapshot keeps of a subject of expected runs, and how it becomes one again.

namespace runledger::aggregators {
namespace {

constexpr int64_t kNoTime = WorkflowBlock::kNoTime;

}  // namespace

void WorkflowTrack::Write(ByteWriter* to) const {
  to->Put(known_since_us_);
  to->Put(starts_since_us_);
  to->Put(decisions_since_us_);
  for (uint64_t count : block_.verdicts) to->Put(count);
  to->Put(block_.last_evaluation_us);
  for (int64_t time_us : block_.last_decision_us) to->Put(time_us);
  to->PutText(priority_);
  to->Put(priority_time_us_);
  to->Put(made_.day);
  to->PutText(made_.version);
  to->Put(made_.at_us);
  to->Put(static_cast<uint32_t>(expected_.size()));
  const ExpectedText* text = nullptr;
  for (const Expectation& expected : expected_) {
    to->Put(expected.due_us);
    to->Put(expected.date);
    to->Put(expected.of_job);
    to->Put(expected.settled);
    to->Put(expected.final);
    to->Put(expected.verdict);
    // Of what is not settled the matching is worked out again.
    to->Put(expected.settled ? expected.start_us : kNoTime);
    to->Put(expected.start.high);
    to->Put(expected.start.low);
    to->PutText(expected.explained_by);
    const bool same = text != nullptr && *text == *expected.text;
    to->Put(same);
    text = expected.text.get();
    if (same) continue;
    to->PutText(text->workflow);
    to->PutText(text->reason);
    to->PutText(text->priority);
    to->Put(text->made);
  }
  to->Put(static_cast<uint32_t>(decisions_.size()));
  for (const Decision& decision : decisions_) {
    to->Put(decision.time_us);
    to->Put(decision.event_us);
    to->Put(decision.sequence);
    to->Put(decision.event_hash);
    to->Put(decision.action);
    to->Put(decision.taken);
    to->Put(decision.next_check_us.value_or(kNoTime));
    to->PutText(decision.decision_id);
    to->PutText(decision.reason);
    to->PutText(decision.priority);
    to->PutText(decision.alert_level);
  }
  to->Put(static_cast<uint32_t>(starts_.size()));
  for (const StartOfRun& start : starts_) {
    to->Put(start.time_us);
    to->Put(start.run.high);
    to->Put(start.run.low);
    to->Put(start.run_id);
    to->Put(start.taken);
  }
}

bool WorkflowTrack::Restore(ByteReader* from) {
  known_since_us_ = from->Take<int64_t>();
  starts_since_us_ = from->Take<int64_t>();
  decisions_since_us_ = from->Take<int64_t>();
  for (uint64_t& count : block_.verdicts) count = from->Take<uint64_t>();
  block_.last_evaluation_us = from->Take<int64_t>();
  for (int64_t& time_us : block_.last_decision_us) time_us = from->Take<int64_t>();
  priority_ = from->TakeText();
  priority_time_us_ = from->Take<int64_t>();
  made_.day = from->Take<int32_t>();
  made_.version = from->TakeText();
  made_.at_us = from->Take<int64_t>();
  for (auto count = from->Take<uint32_t>(); count > 0 && from->ok(); --count) {
    Expectation expected;
    expected.due_us = from->Take<int64_t>();
    expected.date = from->Take<int32_t>();
    expected.of_job = from->Take<bool>();
    expected.settled = from->Take<bool>();
    expected.final = from->Take<bool>();
    expected.verdict = from->Take<RunVerdict>();
    expected.start_us = from->Take<int64_t>();
    expected.start.high = from->Take<uint64_t>();
    expected.start.low = from->Take<uint64_t>();
    expected.explained_by = from->TakeText();
    if (!from->Take<bool>()) {
      auto text = std::make_shared<ExpectedText>();
      text->workflow = from->TakeText();
      text->reason = from->TakeText();
      text->priority = from->TakeText();
      text->made = from->Take<bool>();
      last_text_ = std::move(text);
    }
    if (last_text_ == nullptr || expected.verdict > RunVerdict::kUnknown ||
        (!expected_.empty() && expected.due_us <= expected_.back().due_us))
      return false;
    expected.text = last_text_;
    NoteExpected(expected);
    expected_.push_back(std::move(expected));
  }
  for (auto count = from->Take<uint32_t>(); count > 0 && from->ok(); --count) {
    Decision decision;
    decision.time_us = from->Take<int64_t>();
    decision.event_us = from->Take<int64_t>();
    decision.sequence = from->Take<int64_t>();
    decision.event_hash = from->Take<uint64_t>();
    decision.action = from->Take<Action>();
    decision.taken = from->Take<bool>();
    if (const auto next_us = from->Take<int64_t>(); next_us != kNoTime) decision.next_check_us = next_us;
    decision.decision_id = from->TakeText();
    decision.reason = from->TakeText();
    decision.priority = from->TakeText();
    decision.alert_level = from->TakeText();
    if (decision.action > Action::kAbort || (!decisions_.empty() && decision.time_us < decisions_.back().time_us))
      return false;
    decision.id = codecs::HashBytes(decision.decision_id);
    decision_times_[decision.id.low] = decision.time_us;
    decisions_.push_back(std::move(decision));
  }
  for (auto count = from->Take<uint32_t>(); count > 0 && from->ok(); --count) {
    StartOfRun start;
    start.time_us = from->Take<int64_t>();
    start.run.high = from->Take<uint64_t>();
    start.run.low = from->Take<uint64_t>();
    start.run_id = from->Take<uint64_t>();
    start.taken = from->Take<bool>();
    if (!starts_.empty() && start.time_us < starts_.back().time_us) return false;
    start_times_[start.run.low] = start.time_us;
    starts_.push_back(start);
  }
  dirty_ = true;
  Touch();
  return from->ok();
}

}  // namespace runledger::aggregators
