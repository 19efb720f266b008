#pragma once

#include <string>

#include "runledger/v1/event.pb.h"

namespace runledger::fakes {

// A protobuf event of a run; the caller adds what else it wants.
inline v1::Event RunEvent(const std::string& job, const std::string& run, v1::Status status, int64_t time_us) {
  v1::Event event;
  event.set_event_id(job + "/" + run + "/" + v1::Status_Name(status) + "/" + std::to_string(time_us));
  event.set_event_time_us(time_us);
  event.mutable_run()->set_job_name(job);
  event.mutable_run()->set_run_id(run);
  event.mutable_run()->set_status(status);
  return event;
}

}  // namespace runledger::fakes
