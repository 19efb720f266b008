#include "tools/runledger/spooling_sink.h"

#include <algorithm>
#include <utility>

namespace runledger::tools {
namespace {

constexpr int64_t kFileBytes = int64_t{8} << 20;        // beyond, another one is begun
constexpr std::chrono::seconds kRoundEvery{60};         // of an exec that runs for long
constexpr std::chrono::milliseconds kSoon{250};         // events are on their way
constexpr std::chrono::milliseconds kMeanwhile{1'000};  // and are in the spool

}  // namespace

SpoolingSink::SpoolingSink(EventSenderOptions sender, Spool* spool, SpoolingSinkOptions options, SpoolDrain::Say say)
    : options_(options),
      spool_(spool),
      sender_(std::move(sender), [this](uint64_t tag, const absl::Status& status) { OnReport(tag, status); }),
      drain_(spool, &sender_, std::move(say)) {}

absl::Status SpoolingSink::Send(const codecs::Event& event) {
  const std::string_view key = MessageKey(event, sender_.options().keyed_by_job);
  if (options_.may_wait && !began_) BeginRound();
  Hear();
  if (spooling_) return KeepOne(key, event.wire);
  if (options_.may_wait && !drain_.handed_over())
    return absl::ResourceExhaustedError("what waits in " + spool_->directory() + " goes first");

  const uint64_t tag = ++last_tag_;
  const absl::Status status = sender_.SendMessage({sender_.options().topic, key, event.wire, kEventContentType}, tag);
  if (status.ok()) {
    items_[tag] = {std::string(key), std::string(event.wire), Clock::now()};
    return status;
  }
  const bool full = absl::IsResourceExhausted(status);
  if (full && options_.may_wait) return status;
  // The event's own fault: the spool would keep it for nothing.
  if (absl::IsInvalidArgument(status) && sender_.broken().ok()) return status;
  if (absl::Status spooled = GoToSpool(full ? sender_.Trouble() : std::string(status.message())); !spooled.ok())
    return spooled;
  return KeepOne(key, event.wire);
}

absl::Status SpoolingSink::WaitForRoom(Deadline deadline) {
  do {
    Hear();
    if (spooling_) return absl::OkStatus();
    if (const absl::Status room = sender_.WaitForRoom(deadline); !room.ok())
      return GoToSpool(std::string(room.message()));
    Hear();
  } while (!drain_.handed_over());
  return absl::OkStatus();
}

FlushResult SpoolingSink::Flush(Deadline deadline) {
  Hear();
  while (!items_.empty() && sender_.WaitForRoom(deadline).ok()) Hear();
  if (!items_.empty() || acknowledged_ == 0) return Result();

  if (drain_until_ == Clock::time_point::max()) {
    drain_until_ = Clock::now() + options_.drain_time;
    drain_quiet_until_ = Clock::now() + options_.drain_patience;
    if (Clock::now() >= next_round_) BeginRound();
  }
  while (drain_.active()) {
    if (std::exchange(drained_, drain_.sent()) != drain_.sent())
      drain_quiet_until_ = Clock::now() + options_.drain_patience;
    const Deadline until = std::min({deadline, drain_until_, drain_quiet_until_});
    if (!sender_.WaitForRoom(until).ok() || Clock::now() >= until) break;
    Hear();
  }
  return Result();
}

std::chrono::milliseconds SpoolingSink::Tend() {
  Hear();
  const Clock::time_point now = Clock::now();
  bool all_spooled = true;
  for (const auto& [tag, item] : items_) {
    if (item.spooled) continue;
    all_spooled = false;
    // Why it could not be kept is told at the end; it is tried again until then.
    if (now - item.taken >= options_.patience) all_spooled = SpoolItems().ok();
    break;
  }
  if (file_ != nullptr) file_->Sync().IgnoreError();
  if (items_.empty() && acknowledged_ > 0 && now >= next_round_) {
    BeginRound();
    Hear();
  }
  if (!items_.empty()) return all_spooled ? kMeanwhile : kSoon;
  return drain_.active() || spooling_ ? kMeanwhile : std::chrono::milliseconds(kRoundEvery);
}

FlushResult SpoolingSink::Finish() {
  Hear();
  SpoolItems().IgnoreError();  // counted below
  const absl::Status synced = file_ == nullptr ? absl::OkStatus() : file_->Sync();
  if (!synced.ok()) {
    spool_problem_ = std::string(synced.message());
    lost_ += std::exchange(kept_, 0);
  }
  FlushResult result = Result();
  result.draining = false;
  for (const auto& [tag, item] : items_) {
    if (!item.spooled) continue;
    ++result.spooled;
    --result.undelivered;
  }
  if (result.undelivered > 0 && !spool_problem_.empty()) result.reason += "; not kept either: " + spool_problem_;
  if (file_ != nullptr) {
    if (items_.empty() && !file_has_kept_) {
      file_->Remove();
    } else {
      file_->Close();
    }
    file_.reset();
  }
  return result;
}

FlushResult SpoolingSink::Result() {
  FlushResult result;
  result.acknowledged = acknowledged_;
  result.undelivered = lost_ + items_.size();
  result.spooled = kept_;
  result.spool = spool_->directory();
  result.draining = drain_.active() && items_.empty() && Clock::now() < std::min(drain_until_, drain_quiet_until_);
  if (result.undelivered + result.spooled > 0) result.reason = failure_.empty() ? sender_.Trouble() : failure_;
  return result;
}

void SpoolingSink::OnReport(uint64_t tag, const absl::Status& status) {
  if (SpoolDrain::Mine(tag)) return drain_.OnReport(tag, status);
  if (!status.ok()) {
    failures_.emplace_back(tag, status);
  } else if (items_.erase(tag) > 0) {
    ++acknowledged_;
  }
}

void SpoolingSink::Hear() {
  sender_.Hear();
  for (auto& [tag, status] : std::exchange(failures_, {})) {
    const auto found = items_.extract(tag);
    if (found.empty()) continue;
    if (failure_.empty()) failure_ = std::string(status.message());
    // What is wrong with the event itself stays wrong; anything else may be mended before it is sent again.
    const bool kept = !absl::IsInvalidArgument(status) && KeepOne(found.mapped().key, found.mapped().value).ok();
    if (!kept) {
      ++lost_;
    } else if (!spooling_) {
      spooling_ = true;  // what comes now comes behind it
      next_round_ = Clock::now() + options_.retry;
    }
  }
  if (items_.empty() && file_ != nullptr && !file_has_kept_) {
    file_->Remove();
    file_.reset();
  }
  if (spooling_ && items_.empty() && !drain_.active() && sender_.broken().ok() && Clock::now() >= next_round_) {
    // Nothing is on its way any more: what we kept follows, and what comes now may follow that.
    CloseFile();
    BeginRound();
    spooling_ = false;
  }
  if (drain_.active()) Drain();
}

void SpoolingSink::Drain() {
  if (drain_.Step() || !drain_.clean()) return;
  acknowledged_ += in_round_;
  kept_ -= std::exchange(in_round_, 0);
}

// The event has no other place than the spool.
absl::Status SpoolingSink::KeepOne(std::string_view key, std::string_view value) {
  absl::Status kept = Append(key, value);
  if (kept.ok() && !options_.may_wait) kept = file_->Sync();  // else at the end, for all of them
  if (!kept.ok()) {
    spool_problem_ = std::string(kept.message());
    return absl::FailedPreconditionError((failure_.empty() ? sender_.Trouble() : failure_) +
                                         "; not kept either: " + spool_problem_);
  }
  file_has_kept_ = true;
  ++kept_;
  return kept;
}

absl::Status SpoolingSink::GoToSpool(const std::string& why) {
  if (failure_.empty()) failure_ = why;
  spooling_ = true;
  next_round_ = Clock::now() + options_.retry;
  const absl::Status spooled = SpoolItems();
  if (spooled.ok()) return spooled;
  return absl::FailedPreconditionError(why + "; not kept either: " + std::string(spooled.message()));
}

// Makes everything that is on its way durable here.
absl::Status SpoolingSink::SpoolItems() {
  std::vector<Item*> appended;
  absl::Status status;
  for (auto& [tag, item] : items_) {
    if (item.spooled) continue;
    if (status = Append(item.key, item.value); !status.ok()) break;
    appended.push_back(&item);
  }
  if (!appended.empty() && file_ != nullptr) {
    const absl::Status synced = file_->Sync();
    for (Item* const item : appended) item->spooled = synced.ok();
    if (status.ok()) status = synced;
  }
  if (!status.ok()) spool_problem_ = std::string(status.message());
  return status;
}

absl::Status SpoolingSink::Append(std::string_view key, std::string_view value) {
  if (file_ != nullptr && file_->bytes() >= kFileBytes) {
    if (absl::Status synced = file_->Sync(); !synced.ok()) return synced;
    CloseFile();
  }
  if (file_ == nullptr) {
    const EventSenderOptions& to = sender_.options();
    auto begun = spool_->Begin({to.brokers, to.topic, to.partitioner, kEventContentType});
    if (!begun.ok()) return begun.status();
    file_ = std::move(*begun);
  }
  return file_->Append({key, value});
}

// What is in it is for anybody to send, ourselves too.
void SpoolingSink::CloseFile() {
  file_.reset();
  file_has_kept_ = false;
}

void SpoolingSink::BeginRound() {
  began_ = true;
  next_round_ = Clock::now() + kRoundEvery;
  if (drain_.active()) return;
  drain_.Begin();
  in_round_ = file_has_kept_ ? 0 : kept_;
  Drain();
}

}  // namespace runledger::tools
