#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/runledger/event_sender.h"
#include "tools/runledger/event_sink.h"
#include "tools/runledger/spool.h"
#include "tools/runledger/spool_drain.h"

namespace runledger::tools {

struct SpoolingSinkOptions {
  // An event that is not acknowledged for so long is spooled, and still tried.
  std::chrono::milliseconds patience = std::chrono::seconds(5);
  // How long Flush goes on, after all events of our own were acknowledged, to send what others left.
  std::chrono::milliseconds drain_time = std::chrono::seconds(2);
  // ... and how long where the log, which took ours, acknowledges none of them: they may be for a topic that is not
  // there.
  std::chrono::milliseconds drain_patience = std::chrono::seconds(2);
  // After events had to go to the spool alone: how long until it is tried again to send them.
  std::chrono::milliseconds retry = std::chrono::seconds(5);
  // Whether the caller waits for room. If so, what waits in the spool goes first, so that events of one run that come
  // from one process after the other keep their order. If not, an event for which there is no room is spooled.
  bool may_wait = true;
};

// The log as an EventSink that loses nothing while the log is away: events go to the log, and those that it does not
// acknowledge in time go to a spool as well. This process goes on trying them; those that are acknowledged are taken
// out of the spool, the others stay for the next exec, emit or serve.
//
// Once there was no room, or no client, events go to the spool alone, behind the earlier ones, until the log has taken
// those; so the order of a producer's events is kept.
class SpoolingSink : public EventSink {
 public:
  // `spool` must outlive the sink. `say` takes a sentence for an operator.
  SpoolingSink(EventSenderOptions sender, Spool* spool, SpoolingSinkOptions options, SpoolDrain::Say say);

  // FailedPrecondition: neither the log nor the spool takes the event.
  absl::Status Send(const codecs::Event& event) override;
  absl::Status WaitForRoom(Deadline deadline) override;
  FlushResult Flush(Deadline deadline) override;
  std::chrono::milliseconds Tend() override;
  FlushResult Finish() override;

 private:
  using Clock = std::chrono::steady_clock;

  // An event on its way to the log.
  struct Item {
    std::string key;
    std::string value;
    Clock::time_point taken;
    bool spooled = false;  // durably
  };

  void OnReport(uint64_t tag, const absl::Status& status);
  // Takes reports, and does what they allow or ask for.
  void Hear();
  absl::Status KeepOne(std::string_view key, std::string_view value);
  absl::Status GoToSpool(const std::string& why);
  absl::Status SpoolItems();
  absl::Status Append(std::string_view key, std::string_view value);
  void CloseFile();
  void BeginRound();
  void Drain();
  FlushResult Result();

  const SpoolingSinkOptions options_;
  Spool* const spool_;
  EventSender sender_;
  SpoolDrain drain_;

  std::map<uint64_t, Item> items_;                           // by tag, the order in which they came
  std::vector<std::pair<uint64_t, absl::Status>> failures_;  // reported, not looked at yet
  uint64_t last_tag_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t kept_ = 0;          // events that are in the spool alone
  uint64_t lost_ = 0;          // refused for good, or neither delivered nor kept
  std::string failure_;        // why the first was not delivered
  std::string spool_problem_;  // why the last one was not kept

  std::unique_ptr<SpoolWriter> file_;
  bool file_has_kept_ = false;  // some of its events are in no other place
  uint64_t in_round_ = 0;       // of kept_, those that this round of the drain sends
  bool spooling_ = false;       // events go to the spool alone
  bool began_ = false;          // a first round
  Clock::time_point next_round_;
  Clock::time_point drain_until_ = Clock::time_point::max();        // max(): Flush has not come to it yet
  Clock::time_point drain_quiet_until_ = Clock::time_point::max();  // the drain's events make no headway: given up then
  uint64_t drained_ = 0;                                            // how many of them were acknowledged so far
};

}  // namespace runledger::tools
