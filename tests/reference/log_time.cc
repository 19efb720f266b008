#include "reference/log_time.h"

#include <algorithm>

namespace runledger::reference {

void LogTime::See(int64_t stamp_us, bool by_broker) {
  if (stamp_us < 0) return;  // none
  if (!now_us_ || by_broker || stamp_us <= *now_us_ + step_us_) {
    if (!now_us_ || stamp_us > *now_us_) now_us_ = stamp_us;
    doubted_us_.reset();
    return;
  }
  if (!doubted_us_ || stamp_us + step_us_ < *doubted_us_) {
    doubted_us_ = stamp_us;
    return;
  }
  const int64_t earlier = std::min(stamp_us, *doubted_us_);
  now_us_ = earlier;
  doubted_us_.reset();
  if (stamp_us > earlier) doubted_us_ = stamp_us;
}

}  // namespace runledger::reference
