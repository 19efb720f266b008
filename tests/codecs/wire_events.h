#pragma once

#include <cstdint>
#include <string>

#include "codecs/civil_time.h"
#include "runledger/v1/event.pb.h"

// Events for tests of codecs/, built with the generated messages, so that our own reader meets another writer.
namespace runledger::codecs {

// 2026-01-12T11:30:08Z.
inline constexpr int64_t kTestTimeUs = 1'768'217'408'000'000;

inline v1::Event MakeRun(v1::Status status = v1::RUNNING) {
  v1::Event event;
  event.set_event_id("e-1");
  event.set_event_time_us(kTestTimeUs);
  v1::RunEvent* run = event.mutable_run();
  run->set_job_name("player_daily_cache");
  run->set_run_id("run-1");
  run->set_status(status);
  return event;
}

inline v1::Event MakeDecision() {
  v1::Event event;
  event.set_event_id("d-1");
  event.set_event_time_us(kTestTimeUs);
  event.mutable_decision()->set_workflow("betting_lines");
  event.mutable_decision()->set_action("SKIP");
  return event;
}

inline v1::Event MakeExpected() {
  v1::Event event;
  event.set_event_id("x-1");
  event.set_event_time_us(kTestTimeUs);
  event.mutable_expected()->set_workflow("betting_lines");
  event.mutable_expected()->set_expected_run_time_us(kTestTimeUs);
  return event;
}

inline v1::Event MakeCleanup() {
  v1::Event event;
  event.set_event_id("c-1");
  event.set_event_time_us(kTestTimeUs);
  event.mutable_cleanup()->set_cleanup_id("clean-1");
  return event;
}

inline std::string Wire(const v1::Event& event) { return event.SerializeAsString(); }

}  // namespace runledger::codecs
