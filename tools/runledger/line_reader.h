#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace runledger::tools {

// Reads a descriptor line by line in bounded memory. One thread.
class LineReader {
 public:
  // `meanwhile` is called before it waits for input, and again after as long as it answers.
  LineReader(int fd, size_t max_line_bytes, std::function<std::chrono::milliseconds()> meanwhile)
      : fd_(fd), max_line_bytes_(max_line_bytes), meanwhile_(std::move(meanwhile)) {}

  // The next line, without its end; the last one may lack it. False at the end of the input, or on an error.
  bool Next();
  // Good until the next call. Of a line that is too long only a beginning is kept.
  std::string_view line() const { return line_; }
  bool too_long() const { return too_long_; }
  uint64_t number() const { return number_; }  // from 1
  int error() const { return error_; }         // errno that ended the input, or 0

 private:
  bool Fill();
  void WaitForInput();
  void Append(std::string_view part);

  const int fd_;
  const size_t max_line_bytes_;
  const std::function<std::chrono::milliseconds()> meanwhile_;
  std::string buffer_;
  size_t at_ = 0;
  std::string line_;
  bool too_long_ = false;
  uint64_t number_ = 0;
  int error_ = 0;
};

}  // namespace runledger::tools
