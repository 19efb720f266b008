#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace runledger::codecs {

// 128 bits of XXH3, whose values are stable across versions and machines. Not against an adversary: producers are
// trusted.
struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 HashBytes(std::string_view bytes, uint64_t seed = 0);
uint64_t Hash64(std::string_view bytes, uint64_t seed = 0);

// Identity of a run, (job name, run id, attempt). `job_hash` is Hash64(job name): callers that keep job names
// interned compute it once.
Hash128 HashRun(uint64_t job_hash, std::string_view run_id, int32_t attempt);

// 32 lower-case hex digits, as an event id that a producer did not give.
std::array<char, 32> HexDigits(Hash128 hash);
std::string Hex(Hash128 hash);

}  // namespace runledger::codecs
