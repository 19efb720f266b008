#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "ingest/watermark.h"

namespace runledger::ingest {

// Events of one kind that delivery itself writes to the log. Each is on its way until it is read back: only then it is
// part of the state. One that the log refuses is sent again later, and so is one that it took and that does not come.
// One thread.
class OwnEvents {
 public:
  using Key = std::pair<std::string, int64_t>;  // subject, and its time or day

  // `mark`: a bit of message numbers that nobody else uses.
  explicit OwnEvents(uint64_t mark) : mark_(mark) {}

  // A round names everything that is due: Begin, Due for each, End.
  void Begin() {
    for (auto& [key, sent] : sent_) sent.due = false;
  }
  // The message to send it as, now; 0: it is on its way, or has to wait.
  uint64_t Due(Key key, const Moment& now) {
    Sent& sent = sent_[std::move(key)];
    sent.due = true;
    if (sent.message != 0 || now.mono_us < sent.again_at_us) return 0;
    return sent.message = mark_ | ++last_;
  }
  void End() {
    std::erase_if(sent_, [](const auto& entry) { return !entry.second.due && entry.second.message == 0; });
  }

  bool Has(uint64_t message) const { return (message & mark_) != 0; }
  // False: an answer that nobody waits for any more.
  bool OnProduced(uint64_t message, bool taken, const Moment& now) {
    const auto at =
        std::find_if(sent_.begin(), sent_.end(), [&](const auto& entry) { return entry.second.message == message; });
    if (at == sent_.end()) return false;
    Sent& sent = at->second;
    sent.message = 0;
    if (taken) {
      sent.attempts = 0;
      sent.again_at_us = now.mono_us + kReadBackUs;
    } else {
      sent.again_at_us = now.mono_us + std::min(kRetryMaxUs, kRetryUs << std::min(sent.attempts++, 10));
    }
    return true;
  }

 private:
  static constexpr int64_t kRetryUs = 1'000'000;
  static constexpr int64_t kRetryMaxUs = 60'000'000;
  // What the log has taken comes in with the next records. Should it not, it is written again: the first one holds.
  static constexpr int64_t kReadBackUs = 300'000'000;

  struct Sent {
    uint64_t message = 0;  // in flight; 0: none is
    int64_t again_at_us = 0;
    int attempts = 0;
    bool due = true;  // not read back yet
  };

  const uint64_t mark_;
  std::map<Key, Sent> sent_;
  uint64_t last_ = 0;
};

}  // namespace runledger::ingest
