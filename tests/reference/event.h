#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The reference: a second, naive implementation of what events mean and of what a partition's log adds up to. It shares
// no code with codecs/ and aggregators/ (only the generated protobuf classes), so that a mistake made there is not made
// again here. Slow and plain on purpose; test-only.
namespace runledger::reference {

// Numbers as in event.proto.
enum class Status : uint8_t { kRunning = 1, kSuccess, kNoData, kPartial, kSkipped, kFailed, kAborted };

inline constexpr std::array<Status, 6> kEnded = {Status::kSuccess, Status::kNoData, Status::kPartial,
                                                 Status::kSkipped, Status::kFailed, Status::kAborted};

const char* NameOf(Status status);
// Of any vocabulary, in upper or lower case, '-' and ' ' as '_'. Nothing: not known.
std::optional<Status> StatusOfWord(std::string_view word);

// One good event.
struct Event {
  std::string id;
  int64_t time_us = 0;
  int64_t sequence = 0;
  bool backfill = false;
  std::string body;  // run, decision, expected, cleanup, verdict
  // Why the row keeps only its core; empty: it is whole. Names the column.
  std::string refused;
  std::string bytes;  // the event as it stands in the record

  // Of body "run"; job and workflow of the others too.
  std::string job;
  std::string run_id;
  int32_t attempt = 0;
  std::string kind;  // processor, scraper, prediction; else the body
  Status status = Status::kRunning;
  bool heartbeat = false;
  bool own_close = false;  // closed by runledger
  std::string phase;
  std::string workflow;
  std::optional<int32_t> date;
  std::optional<int64_t> started_us;
  std::optional<double> duration_s;
};

// Place of an event among those of its run: the greatest is the run's state.
struct Key {
  int rank = 0;  // 0 running, 1 closed by runledger, 2 the producer's terminal
  int64_t time_us = 0;
  int64_t sequence = 0;
  std::string id;

  friend auto operator<=>(const Key&, const Key&) = default;
};
Key KeyOf(const Event& event);

}  // namespace runledger::reference
