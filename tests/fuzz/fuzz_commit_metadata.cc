// What a predecessor, another tool or a newer release may have committed beside an offset.
#include <cstdint>
#include <string>

#include "fuzz/check.h"
#include "ingest/commit_metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using runledger::ingest::CommitMetadata;
  const auto decoded = CommitMetadata::Decode({reinterpret_cast<const char*>(data), size});
  if (!decoded.ok()) return 0;
  const auto encoded = decoded->Encode();
  if (!encoded.ok()) return 0;  // longer than Kafka takes
  FUZZ_CHECK(encoded->size() <= CommitMetadata::kMaxBytes);
  for (const char c : *encoded) FUZZ_CHECK(c >= ' ' && c <= '~');
  const auto again = CommitMetadata::Decode(*encoded);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == *decoded);
  return 0;
}
