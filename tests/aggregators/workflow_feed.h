#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "codecs/event_decoder.h"
#include "codecs/record_decoder.h"
#include "runledger/v1/event.pb.h"

namespace runledger::aggregators {

inline constexpr int64_t kMinuteUs = 60 * kSecondUs;
inline constexpr int64_t kDayStart = 1'768'194'000 * kSecondUs;  // 2026-01-12T05:00:00Z, midnight in New York

// A time of day in New York on 2026-01-12.
constexpr int64_t At(int hour, int minute, int64_t more_us = 0) {
  return kDayStart + hour * kHourUs + minute * kMinuteUs + more_us;
}

inline v1::Event DecisionEvent(const std::string& workflow, const std::string& action, int64_t time_us,
                               const std::string& reason = "", const std::string& id = "") {
  v1::Event event;
  event.set_event_time_us(time_us);
  auto* decision = event.mutable_decision();
  decision->set_decision_id(id.empty() ? workflow + "@" + std::to_string(time_us) : id);
  decision->set_workflow(workflow);
  decision->set_action(action);
  decision->set_decision_time_us(time_us);
  if (!reason.empty()) decision->set_reason(reason);
  return event;
}

inline v1::Event ExpectedEvent(const std::string& workflow, int64_t due_us, const std::string& reason = "schedule",
                               int64_t time_us = kDayStart) {
  v1::Event event;
  event.set_event_time_us(time_us);
  auto* expected = event.mutable_expected();
  expected->set_workflow(workflow);
  expected->set_expected_run_time_us(due_us);
  expected->set_expected_date(20'465);
  expected->set_reason(reason);
  return event;
}

inline v1::Event ExpectedJobEvent(const std::string& job, int64_t due_us) {
  v1::Event event = ExpectedEvent("", due_us);
  event.mutable_expected()->clear_workflow();
  event.mutable_expected()->set_job_name(job);
  return event;
}

inline v1::Event JobEvent(const std::string& job, const std::string& run, v1::Status status, int64_t time_us) {
  v1::Event event;
  event.set_event_time_us(time_us);
  event.mutable_run()->set_job_name(job);
  event.mutable_run()->set_run_id(run);
  event.mutable_run()->set_status(status);
  return event;
}

// A shard that is told what happened.
class WorkflowFeed {
 public:
  explicit WorkflowFeed(WorkflowPolicies policies = {}, int days = 30) {
    options_.days = days;
    policies_ = std::make_shared<WorkflowPolicies>(std::move(policies));
    shard = Empty();
  }
  std::unique_ptr<Shard> Empty() const {
    return std::make_unique<Shard>(options_, std::make_shared<JobPolicies>(), policies_);
  }

  void Fold(int64_t log_time_us, const v1::Event& event) { FoldWire(log_time_us, event.SerializeAsString()); }
  void FoldWire(int64_t log_time_us, const std::string& wire) { FoldInto(shard.get(), log_time_us, wire); }
  // A record of the log, whatever its framing is.
  void FoldValue(int64_t log_time_us, const std::string& value) {
    struct Visitor : codecs::EventVisitor {
      explicit Visitor(Shard* to) : shard(to) {}
      void OnEvent(int32_t, const codecs::Event& event) override { shard->Apply(event); }
      void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
        ADD_FAILURE() << rejection.text;
      }
      Shard* shard;
    } visitor(shard.get());
    shard->BeginRecord(log_time_us, TimestampKind::kAppendTime);
    codecs::RecordDecoder(codecs::Limits{}, codecs::Framing::kAuto, /*check_columns=*/true)
        .Decode({.value = value, .headers = {}, .time_us = log_time_us}, &visitor);
    shard->EndRecord();
  }
  // As soon as it happened.
  void Fold(const v1::Event& event) { Fold(event.event_time_us(), event); }
  static void FoldInto(Shard* shard, int64_t log_time_us, const std::string& wire) {
    codecs::EventDecoder decoder{codecs::Limits{}};
    codecs::Event event;
    codecs::Rejection rejection;
    shard->BeginRecord(log_time_us, TimestampKind::kAppendTime);
    ASSERT_TRUE(decoder.Decode(wire, log_time_us, &event, &rejection)) << rejection.text;
    shard->Apply(event);
    shard->EndRecord();
  }
  // Nothing happens at this time.
  void Pass(int64_t log_time_us) {
    shard->BeginRecord(log_time_us, TimestampKind::kAppendTime);
    shard->EndRecord();
  }

  OrchestrationBlock Block(int64_t watermark_us) {
    shard->AdvanceWatermark(watermark_us);
    EXPECT_TRUE(shard->Publish({}));
    return shard->Read()->orchestration;
  }
  WorkflowBlock Of(const std::string& name, int64_t watermark_us) {
    const OrchestrationBlock block = Block(watermark_us);
    for (size_t i = 0; i < block.labels.size(); ++i) {
      if (block.labels[i] != nullptr && block.labels[i]->name == name) return block.workflows[i];
    }
    ADD_FAILURE() << name << " is not known";
    return {};
  }
  std::vector<ExpectedInfo> Schedule(int64_t watermark_us, const std::string& subject = "") {
    shard->AdvanceWatermark(watermark_us);
    return shard->FindExpected({.date = std::nullopt, .subject = subject, .time_zone = "America/New_York"});
  }
  // "09:00 late" for each row, by the New York clock.
  std::vector<std::string> Words(int64_t watermark_us, const std::string& subject = "") {
    std::vector<std::string> words;
    for (const ExpectedInfo& info : Schedule(watermark_us, subject)) {
      const int64_t minutes = (info.due_us - kDayStart) / kMinuteUs;
      char text[32];
      std::snprintf(text, sizeof text, "%02d:%02d ", static_cast<int>(minutes / 60), static_cast<int>(minutes % 60));
      words.push_back(text + std::string(VerdictName(info.verdict)));
    }
    return words;
  }
  RunVerdict Verdict(int64_t watermark_us) {
    const std::vector<ExpectedInfo> all = Schedule(watermark_us);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? RunVerdict::kUnknown : all[0].verdict;
  }
  // Writes what stands to the log, and folds it again.
  size_t WriteVerdicts(int64_t log_time_us) {
    const std::vector<FinalVerdict> due = shard->DueVerdicts(1'000);
    for (const FinalVerdict& verdict : due) FoldWire(log_time_us, EncodeVerdict(verdict));
    return due.size();
  }

  std::unique_ptr<Shard> shard;

 private:
  ShardOptions options_;
  std::shared_ptr<const WorkflowPolicies> policies_;
};

}  // namespace runledger::aggregators
