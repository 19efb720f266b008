#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/generate/bad_input.h"
#include "tools/generate/ledger.h"
#include "tools/generate/packing.h"
#include "tools/generate/plan.h"
#include "tools/generate/sink.h"

namespace runledger::tools {

// Packs events into records, in the order in which they are given. Each partition has at most one record that is still
// being filled, so the order of a partition's events in the log is the order of the calls; the ledger is written in
// that order too. Internal to the generator; one thread.
class Packer {
 public:
  // `linger_us`: a record is not kept longer, in the generator's time; 0: until it is full.
  Packer(const GenerateOptions& options, int64_t linger_us, Random* random, Sink* sink, Ledger* ledger);

  absl::Status Add(const PlannedEvent& planned);
  // The next kind of bad input in turn, made from a good event that stands where it would have.
  absl::Status AddBad(const PlannedEvent& good);
  // Sends what is older than linger_us.
  absl::Status Age(int64_t now_us);
  absl::Status Flush();

 private:
  enum class Framing { kProtobuf, kBatch, kJson, kJsonArray };
  struct Open {
    Framing framing = Framing::kProtobuf;
    size_t room = 0;  // events that still go in; 0: no record is open
    size_t events = 0;
    std::string bytes;
    JsonStyle style;
    std::string key;
    int64_t opened_at_us = 0;
    int64_t last_at_us = 0;
  };

  Open& OpenFor(const PlannedEvent& planned);
  absl::Status Put(const PlannedEvent& planned, std::string event);
  absl::Status Close(int32_t partition);
  absl::Status Write(int32_t partition, GeneratedRecord record);
  static bool IsJson(Framing framing) { return framing == Framing::kJson || framing == Framing::kJsonArray; }
  static const char* NameOf(Framing framing);

  const GenerateOptions& options_;
  const int64_t linger_us_;
  Random& random_;
  Sink& sink_;
  Ledger& ledger_;
  std::vector<Open> open_;  // by partition
  size_t next_bad_ = 0;
  size_t next_wire_ = 0;
  size_t next_json_ = 0;
  size_t next_record_ = 0;
};

}  // namespace runledger::tools
