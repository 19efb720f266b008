#include "ingest/anchored_clock.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

// "3 h", "90 s": as long as a person reads it.
std::string Length(int64_t us) {
  const int64_t seconds = (std::abs(us) + kSecondUs / 2) / kSecondUs;
  if (seconds >= 3 * 86'400) return absl::StrCat((seconds + 43'200) / 86'400, " d");
  if (seconds >= 3 * 3'600) return absl::StrCat((seconds + 1'800) / 3'600, " h");
  if (seconds >= 3 * 60) return absl::StrCat((seconds + 30) / 60, " min");
  return absl::StrCat(seconds, " s");
}

}  // namespace

void AnchoredClock::Follow(int64_t towards_us, int64_t elapsed_us, int64_t* offset_us) const {
  const int64_t most = std::max<int64_t>(elapsed_us, 0) / 10;
  *offset_us += std::clamp(towards_us - *offset_us, -most, most);
}

void AnchoredClock::Step(int64_t offset_us) {
  state_ = State::kUnknown;
  stepped_us_ = offset_us;
  steady_since_us_ = last_.mono_us;
  brokers_.clear();  // what they said was compared with a clock that is in doubt now
}

void AnchoredClock::Observe(const Moment& now) {
  const int64_t offset_us = now.wall_us - now.mono_us;
  const int64_t elapsed_us = observed_ ? now.mono_us - last_.mono_us : 0;
  last_ = now;
  std::erase_if(brokers_, [&](const auto& entry) { return now.mono_us - entry.second.at_mono_us > patience_us_; });
  if (!observed_) {
    observed_ = true;
    since_us_ = now.mono_us;
    anchor_us_ = offset_us;
    return;
  }
  if (Near(offset_us, anchor_us_)) {
    state_ = State::kAgreed;
    Follow(offset_us, elapsed_us, &anchor_us_);
    return;
  }
  if (state_ == State::kAgreed) return Step(offset_us);
  if (state_ == State::kBoottime) {  // it is known to be wrong, however far
    stepped_us_ = offset_us;
    return;
  }
  if (!Near(offset_us, stepped_us_)) return Step(offset_us);
  Follow(offset_us, elapsed_us, &stepped_us_);
  if (now.mono_us - steady_since_us_ >= patience_us_) state_ = State::kEarlier;
}

int64_t AnchoredClock::Off(const BrokerTime& told, int64_t offset_us) {
  const int64_t earliest = told.after_mono_us + offset_us;
  const int64_t latest = told.before_mono_us + offset_us;
  if (told.append_time_us < earliest) return told.append_time_us - earliest;
  return std::max<int64_t>(told.append_time_us - latest, 0);
}

void AnchoredClock::OnBrokerTime(const TopicPartition& partition, const BrokerTime& told) {
  if (!observed_ || told.before_mono_us - told.after_mono_us > step_us_) return;
  const int64_t off_us = Off(told, anchor_us_);
  Broker broker{std::abs(off_us) <= step_us_ ? 0 : off_us, told.before_mono_us};
  if (state_ != State::kAgreed) {
    const int64_t off_stepped_us = Off(told, stepped_us_);
    if (std::abs(off_us) > step_us_ && std::abs(off_stepped_us) > step_us_) {
      if (state_ == State::kBoottime) Step(stepped_us_);  // what was believed is in doubt again
    } else if (std::abs(off_stepped_us) < std::abs(off_us)) {
      anchor_us_ = stepped_us_;
      state_ = State::kAgreed;
      broker.off_us = 0;
      brokers_.clear();
    } else if (std::abs(off_us) < std::abs(off_stepped_us) && state_ != State::kBoottime) {
      state_ = State::kBoottime;
      brokers_.clear();
    } else if (off_us == off_stepped_us) {
      return;  // it was given so long ago that it agrees with both
    }
  }
  brokers_[partition] = broker;
  if (broker.off_us == 0 && state_ == State::kAgreed) confirmed_ = true;
}

bool AnchoredClock::AllOff() const {
  return !brokers_.empty() &&
         std::all_of(brokers_.begin(), brokers_.end(), [](const auto& entry) { return entry.second.off_us != 0; });
}

std::optional<int64_t> AnchoredClock::Time() const {
  if (!observed_ || state_ == State::kUnknown || AllOff()) return std::nullopt;
  switch (state_) {
    case State::kEarlier:
      return std::min(last_.wall_us, BoottimeUs());
    case State::kBoottime:
      return BoottimeUs();
    default:
      return last_.wall_us;
  }
}

std::optional<int64_t> AnchoredClock::TimeFor(const TopicPartition& partition) const {
  const auto at = brokers_.find(partition);
  return at != brokers_.end() && at->second.off_us != 0 ? std::nullopt : Time();
}

int64_t AnchoredClock::Earliest(const Moment& now) const {
  if (!observed_ || Near(now.wall_us - now.mono_us, anchor_us_)) return now.wall_us;
  return std::min(now.wall_us, now.mono_us + anchor_us_);
}

std::optional<int64_t> AnchoredClock::TimeToDeleteBy(const Moment& now) const {
  if (!observed_ || (!confirmed_ && now.mono_us - since_us_ < patience_us_)) return std::nullopt;
  int64_t earliest = Earliest(now);
  for (const auto& [partition, broker] : brokers_)
    earliest = std::min(earliest, now.mono_us + anchor_us_ + broker.off_us);
  return earliest;
}

std::string AnchoredClock::Problem() const {
  const int64_t by_us = stepped_us_ - anchor_us_;
  const std::string stepped = absl::StrCat("the wall clock of this machine was set ", by_us > 0 ? "forward" : "back",
                                           " by ", Length(by_us), ", more than log.clock_step");
  switch (state_) {
    case State::kUnknown:
      return absl::StrCat(stepped,
                          ": verdicts are unknown until it is back, or a broker's timestamp agrees with either time");
    case State::kEarlier:
      return absl::StrCat(stepped,
                          ", and no broker's timestamp has said since which time is right: the earlier one is taken. "
                          "Set the clock right, or start this instance again once it is");
    case State::kBoottime:
      return absl::StrCat(stepped, ", and brokers say that this is wrong: the time goes on without it. Set it right");
    case State::kAgreed:
      break;
  }
  const auto off =
      std::find_if(brokers_.begin(), brokers_.end(), [](const auto& entry) { return entry.second.off_us != 0; });
  if (off == brokers_.end()) return {};
  const int64_t off_us = off->second.off_us;
  const size_t others = static_cast<size_t>(std::count_if(brokers_.begin(), brokers_.end(),
                                                          [](const auto& entry) { return entry.second.off_us != 0; })) -
                        1;
  return absl::StrCat("the broker that leads ", ToString(off->first),
                      others > 0 ? absl::StrCat(" and those of ", others, " more") : "", " stamps records ",
                      Length(off_us), off_us > 0 ? " after" : " before",
                      " the time of this machine, more than log.clock_step: verdicts ",
                      AllOff() ? "" : "of these partitions ", "are unknown. Set the wrong clock right");
}

}  // namespace runledger::ingest
