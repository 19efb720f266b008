// zstd frames: never more than allowed, and what was deflated comes back.
#include <cstdint>
#include <string>

#include "codecs/inflate.h"
#include "fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace runledger::codecs;
  constexpr size_t kMax = 1 << 20;
  static Inflater inflater;  // its state must not leak from one record into the next
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string_view out;
  Rejection rejection;
  if (inflater.Inflate(bytes, kMax, &out, &rejection)) {
    FUZZ_CHECK(out.size() <= kMax);
  } else {
    FUZZ_CHECK(rejection.category == Category::kInflate || rejection.category == Category::kOversize);
    FUZZ_CHECK(!rejection.text.empty());
  }
  FUZZ_CHECK(inflater.Inflate(Deflate(bytes, 1), bytes.size(), &out, &rejection));
  FUZZ_CHECK(out == bytes);
  if (!bytes.empty()) FUZZ_CHECK(!inflater.Inflate(Deflate(bytes, 1), bytes.size() - 1, &out, &rejection));
  return 0;
}
