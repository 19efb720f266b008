#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "codecs/hash.h"

namespace runledger::ingest {

// When a writer is left alone, and when it is tried again. Section `warehouse` of the configuration.
struct CircuitOptions {
  int refused_percent = 50;      // warehouse.refused_percent: of the last rows; 100: never opens for refused rows
  uint64_t window_rows = 1'000;  // "the last rows": older ones count half for each as many that followed
  uint64_t few_rows = 100;       // fewer are taken for as many: one bad row of three is a single one
  int64_t retry_us = 200'000;    // first pause after a failure; doubles up to retry_max_us
  int64_t retry_max_us = 30'000'000;
};

// Whether rows of one partition go to the warehouse.
//
//   closed   everything goes, as many submissions at once as are allowed
//   open     the warehouse has refused for a reason that is not about single rows, or so many rows that they are not
//            single ones: nothing goes, until a pause has passed
//   probing  then one submission goes. It is taken, or only single rows of it are refused: closed. Else open again
//
// Pure: time comes in, CLOCK_BOOTTIME in microseconds. One thread.
class CircuitBreaker {
 public:
  // `seed` spreads the pauses of many breakers, so that they do not come back all at once.
  CircuitBreaker(const CircuitOptions& options, std::string seed) : options_(options), seed_(std::move(seed)) {}

  // How many submissions may be on their way, of `most` in good times.
  size_t Allows(size_t most, int64_t now_us) const { return !open() ? most : now_us >= probe_at_us_ ? 1 : 0; }
  bool open() const { return !reason_.ok(); }
  // Why it is open; OK if it is not.
  const absl::Status& reason() const { return reason_; }

  // A submission of so many rows was taken.
  void OnDone(uint64_t rows) {
    Count(rows, 0);
    Close();
  }
  // A submission was not taken, for a reason that is not about single rows.
  void OnStopped(absl::Status reason, int64_t now_us) { Open(std::move(reason), now_us); }
  // The warehouse refused `refused` of the rows of a submission. True: these are single ones, and go to the dead
  // letters. False: they are too many to be; they stay where they are, and so do those that were taken.
  bool OnRefused(uint64_t refused, uint64_t rows, const std::string& first_reason, int64_t now_us) {
    const uint64_t all = std::max(options_.few_rows, rows_ + rows);
    const uint64_t bad = refused_ + refused;
    if (bad * 100 <= all * static_cast<uint64_t>(options_.refused_percent)) {
      Count(0, refused);  // its rows count once they are taken
      Close();
      return true;
    }
    Open(absl::UnavailableError(
             "it refuses " + std::to_string(refused) + " of " + std::to_string(rows) +
             " rows, the first: " + first_reason +
             ". That is more than warehouse.refused_percent, so they are not taken for single bad rows: rows wait in "
             "the log and are tried again. Mend the warehouse; or, if the rows are bad, set warehouse.refused_percent: "
             "100, "
             "which sends them to the dead letters"),
         now_us);
    return false;
  }
  // The warehouse was opened anew.
  void Close() {
    reason_ = absl::OkStatus();
    failures_ = 0;
    probe_at_us_ = 0;
  }

  // The pause after so many failures (0: the first): doubles, between three quarters and five quarters of that.
  int64_t Pause(int failures) const {
    const int64_t base = std::min(options_.retry_max_us, options_.retry_us << std::min(failures, 20));
    const uint64_t spread = codecs::Hash64(seed_, static_cast<uint64_t>(failures)) % 512;
    return base * 3 / 4 + base * static_cast<int64_t>(spread) / 1024;
  }

 private:
  void Open(absl::Status reason, int64_t now_us) {
    reason_ = std::move(reason);
    probe_at_us_ = now_us + Pause(failures_++);
  }
  void Count(uint64_t rows, uint64_t refused) {
    rows_ += rows;
    refused_ += refused;
    while (rows_ > options_.window_rows) {
      rows_ /= 2;
      refused_ /= 2;
    }
  }

  const CircuitOptions options_;
  const std::string seed_;
  absl::Status reason_;
  int failures_ = 0;
  int64_t probe_at_us_ = 0;
  uint64_t rows_ = 0;     // of the last submissions that were taken, or whose refused rows went to the dead letters
  uint64_t refused_ = 0;  // of them
};

}  // namespace runledger::ingest
