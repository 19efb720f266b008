#include "codecs/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace runledger::codecs {

Hash128 HashBytes(std::string_view bytes, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.high64, hash.low64};
}

uint64_t Hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 HashRun(uint64_t job_hash, std::string_view run_id, int32_t attempt) {
  // The attempt is spread over the seed by an odd constant (2^64 / golden ratio).
  return HashBytes(run_id, job_hash ^ (static_cast<uint64_t>(static_cast<uint32_t>(attempt)) * 0x9E3779B97F4A7C15u));
}

std::array<char, 32> HexDigits(Hash128 hash) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 32> out;
  for (int i = 0; i < 16; ++i) {
    out[15 - i] = kDigits[(hash.high >> (4 * i)) & 15];
    out[31 - i] = kDigits[(hash.low >> (4 * i)) & 15];
  }
  return out;
}

std::string Hex(Hash128 hash) {
  const std::array<char, 32> digits = HexDigits(hash);
  return {digits.data(), digits.size()};
}

}  // namespace runledger::codecs
