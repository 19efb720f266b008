#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/rejection.h"

namespace runledger::codecs {

// True if the bytes begin like a zstd frame (RFC 8878).
bool IsZstd(std::string_view bytes);

// Decompresses zstd frames into a buffer of its own that is kept from call to call. One thread at a time.
class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  // All frames of `compressed`, one after the other. The view is good until the next call. A frame that is damaged
  // is kInflate; more than `max_bytes` in all is kOversize, found before more than that is written.
  bool Inflate(std::string_view compressed, size_t max_bytes, std::string_view* out, Rejection* rejection);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  std::vector<char> buffer_;
};

// For tests, tools and producers: one zstd frame.
std::string Deflate(std::string_view bytes, int level = 3);

}  // namespace runledger::codecs
