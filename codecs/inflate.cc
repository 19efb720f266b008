#include "codecs/inflate.h"

#include <zstd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace runledger::codecs {
namespace {

constexpr size_t kFirstBuffer = 256 << 10;
// A buffer that one large record made grow is given back once it is not needed any more.
constexpr size_t kKeepBuffer = 4 << 20;

bool Damaged(Rejection* rejection, const char* why) {
  *rejection = {Category::kInflate, absl::StrCat("the zstd frame is damaged: ", why)};
  return false;
}

bool TooLarge(Rejection* rejection, size_t max_bytes) {
  *rejection = {Category::kOversize,
                absl::StrCat("it inflates to more than ", max_bytes, " bytes; limits.inflated_bytes allows no more")};
  return false;
}

}  // namespace

bool IsZstd(std::string_view bytes) { return bytes.size() >= 4 && bytes.substr(0, 4) == "\x28\xB5\x2F\xFD"; }

struct Inflater::Context {
  ZSTD_DCtx* zstd = ZSTD_createDCtx();
  Context() {
    if (zstd == nullptr) std::abort();  // out of memory at start
  }
  ~Context() { ZSTD_freeDCtx(zstd); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Inflater::Inflater() : context_(std::make_unique<Context>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

bool Inflater::Inflate(std::string_view compressed, size_t max_bytes, std::string_view* out, Rejection* rejection) {
  if (buffer_.size() > kKeepBuffer) {
    buffer_.resize(kFirstBuffer);
    buffer_.shrink_to_fit();
  }
  if (buffer_.empty()) buffer_.resize(kFirstBuffer);
  ZSTD_DCtx_reset(context_->zstd, ZSTD_reset_session_only);

  // A frame that says itself that it is too large is read for what is wrong with it, into one place: touching new
  // memory for bytes of no use costs ten times as much as making them.
  const unsigned long long told = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  const bool discard = told != ZSTD_CONTENTSIZE_UNKNOWN && told != ZSTD_CONTENTSIZE_ERROR && told > max_bytes;
  ZSTD_inBuffer in{compressed.data(), compressed.size(), 0};
  size_t written = 0;
  bool frame_open = true;  // an empty message is no frame either
  while (in.pos < in.size || frame_open) {
    if (!discard && written == buffer_.size()) {
      if (written > max_bytes) return TooLarge(rejection, max_bytes);
      buffer_.resize(std::min(buffer_.size() * 2, max_bytes + 1));  // one more than allowed, to see that it is exceeded
    }
    const size_t at = discard ? 0 : written;
    ZSTD_outBuffer to{buffer_.data(), buffer_.size(), at};
    const size_t before = in.pos;
    const size_t left = ZSTD_decompressStream(context_->zstd, &to, &in);
    if (ZSTD_isError(left)) return Damaged(rejection, ZSTD_getErrorName(left));
    const bool progress = to.pos > at || in.pos > before;
    written += to.pos - at;
    if (written > max_bytes) return TooLarge(rejection, max_bytes);
    frame_open = left != 0;
    if (!progress && to.pos < buffer_.size()) return Damaged(rejection, "it ends inside a frame");
  }
  if (discard) return TooLarge(rejection, max_bytes);
  *out = {buffer_.data(), written};
  return true;
}

std::string Deflate(std::string_view bytes, int level) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size)) std::abort();  // cannot happen: the bound was asked for
  out.resize(size);
  return out;
}

}  // namespace runledger::codecs
