#include "exporters/prometheus/gzip.h"

#include <libdeflate.h>

#include <memory>
#include <new>

namespace runledger::exporters {
namespace {

constexpr int kFastest = 1;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
};

}  // namespace

std::optional<std::string> Gzip(std::string_view text) {
  const std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor(libdeflate_alloc_compressor(kFastest));
  if (compressor == nullptr) return std::nullopt;
  const size_t bound = libdeflate_gzip_compress_bound(compressor.get(), text.size());
  // Not initialised, and not a string's buffer: most of the bound is never touched, so it costs no memory.
  const std::unique_ptr<char[]> buffer(new (std::nothrow) char[bound]);
  if (buffer == nullptr) return std::nullopt;
  const size_t size = libdeflate_gzip_compress(compressor.get(), text.data(), text.size(), buffer.get(), bound);
  if (size == 0) return std::nullopt;
  return std::string(buffer.get(), size);
}

}  // namespace runledger::exporters
