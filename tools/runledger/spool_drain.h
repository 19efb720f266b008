#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tools/runledger/event_sender.h"
#include "tools/runledger/spool.h"

namespace runledger::tools {

// Sends what waits in a spool for the sender's cluster, in rounds: the files that are there when one begins, the oldest
// first. A file is removed when the log has acknowledged every event of it, so one that is sent in part is sent again.
// What another process is sending, what is meant for another cluster or needs another partitioner is passed over.
//
// A file whose records are damaged, or that holds an event that the log refuses for good, is sent as far as it goes and
// then set aside. One thread; never waits for the log.
class SpoolDrain {
 public:
  // Both must outlive the drain; the sender's reports of tags that are Mine go to OnReport. `say` takes a sentence for
  // an operator.
  using Say = std::function<void(const std::string&)>;
  SpoolDrain(Spool* spool, EventSender* sender, Say say);

  static bool Mine(uint64_t tag) { return (tag & kMine) != 0; }
  void OnReport(uint64_t tag, const absl::Status& status);

  // Begins a round, unless one is under way. Nothing where there is no spool.
  void Begin();
  // Hands over what there is room for, removes what has been delivered. Whether the round is still under way.
  bool Step();

  bool active() const { return active_; }
  // Everything of the round has been given to the sender, so what is sent now comes after it.
  bool handed_over() const { return !active_ || (names_.empty() && reading_ == nullptr); }
  // The last round sent all that it found, and nothing was in somebody else's hands.
  bool clean() const { return clean_; }
  uint64_t sent() const { return sent_; }  // events acknowledged, since it was made

 private:
  static constexpr uint64_t kMine = uint64_t{1} << 63;
  static constexpr size_t kOpenFiles = 64;

  struct File {
    uint64_t tag = 0;
    std::unique_ptr<SpoolReader> reader;
    bool read = false;  // to its end, all handed over
    uint64_t handed = 0;
    uint64_t acknowledged = 0;
    uint64_t refused = 0;  // for good
    uint64_t failed = 0;   // for now
    std::string reason;
  };

  bool Open();
  bool HandOver();
  void Settle();
  void SettleFile(File* file);

  Spool* const spool_;
  EventSender* const sender_;
  const Say say_;
  std::deque<std::string> names_;  // of the round, not taken yet
  std::list<File> files_;          // taken, not settled yet
  File* reading_ = nullptr;        // the one of them that is being handed over
  SpooledMessage message_;         // of it, not taken by the sender yet
  bool has_message_ = false;
  uint64_t last_tag_ = kMine;
  bool active_ = false;
  bool clean_ = false;
  uint64_t sent_ = 0;
};

}  // namespace runledger::tools
