#include "codecs/event.h"

#include "codecs/hash.h"

namespace runledger::codecs {

std::string_view BodyName(Body body) {
  switch (body) {
    case Body::kRun:
      return "run";
    case Body::kDecision:
      return "decision";
    case Body::kExpected:
      return "expected";
    case Body::kCleanup:
      return "cleanup";
    case Body::kVerdict:
      return "verdict";
  }
  return "unknown";
}

MergeKey MergeKeyOf(const Event& event) {
  const RunFields& run = event.run;
  const uint8_t rank = !IsTerminal(run.status) ? 0 : run.closed_by_runledger ? 1 : 2;
  return {rank, event.time_us, event.sequence, event.id};
}

std::string OwnEventId(std::string_view kind, std::string_view subject, int64_t due_us) {
  std::string key(kind);
  key += '\0';
  key += subject;
  key += '\0';
  key += std::to_string(due_us);
  return "runledger-" + Hex(HashBytes(key));
}

std::string RunSubject(std::string_view job_name, std::string_view run_id, int32_t attempt) {
  std::string subject(job_name);
  subject += '\0';
  subject += run_id;
  subject += '\0';
  subject += std::to_string(attempt);
  return subject;
}

}  // namespace runledger::codecs
