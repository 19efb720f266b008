#include "tools/runledger/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace runledger::tools {

bool LineReader::Next() {
  line_.clear();
  too_long_ = false;
  bool any = false;
  while (at_ < buffer_.size() || Fill()) {
    any = true;
    const std::string_view left = std::string_view(buffer_).substr(at_);
    const size_t end = left.find('\n');
    Append(left.substr(0, end));
    at_ += end == left.npos ? left.size() : end + 1;
    if (end != left.npos) break;
  }
  if (any) ++number_;
  return any;
}

bool LineReader::Fill() {
  constexpr size_t kBuffer = size_t{64} << 10;
  buffer_.resize(kBuffer);
  at_ = 0;
  WaitForInput();
  ssize_t got;
  do {
    got = read(fd_, buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) error_ = errno;
  buffer_.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return got > 0;
}

void LineReader::WaitForInput() {
  pollfd input = {fd_, POLLIN, 0};
  // Anything but silence is for read to tell.
  while (poll(&input, 1, 0) == 0 && poll(&input, 1, static_cast<int>(meanwhile_().count())) == 0) continue;
}

void LineReader::Append(std::string_view part) {
  too_long_ |= line_.size() + part.size() > max_line_bytes_;
  line_ += part.substr(0, max_line_bytes_ - line_.size());
}

}  // namespace runledger::tools
