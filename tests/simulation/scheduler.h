#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace runledger::simulation {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kMinute = 60 * kSecond;

// The time of the simulated world and what happens in it: one thing after the other, those of the same moment in the
// order in which they were planned. Times are microseconds since the simulation began.
class Scheduler {
 public:
  int64_t now_us() const { return now_us_; }
  void At(int64_t time_us, std::function<void()> what) {
    queue_.push({time_us < now_us_ ? now_us_ : time_us, next_++, std::move(what)});
  }
  void In(int64_t delay_us, std::function<void()> what) { At(now_us_ + delay_us, std::move(what)); }

  // Lets the next thing happen. False: there is none before `until_us`, which it is then.
  bool Step(int64_t until_us) {
    if (queue_.empty() || queue_.top().time_us > until_us) {
      now_us_ = until_us;
      return false;
    }
    std::function<void()> what = std::move(const_cast<Planned&>(queue_.top()).what);
    now_us_ = queue_.top().time_us;
    queue_.pop();
    what();
    return true;
  }

 private:
  struct Planned {
    int64_t time_us;
    uint64_t number;
    std::function<void()> what;

    bool operator<(const Planned& other) const {  // the earliest is on top
      return time_us != other.time_us ? time_us > other.time_us : number > other.number;
    }
  };

  int64_t now_us_ = 0;
  uint64_t next_ = 0;
  std::priority_queue<Planned> queue_;
};

}  // namespace runledger::simulation
