#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace runledger::tools {

// How soon a thread that watches something notices that it is to stop.
inline constexpr std::chrono::milliseconds kStopCheck{100};

// Until so much time has passed, or `stop`.
inline void PauseFor(std::chrono::milliseconds span, const std::atomic<bool>& stop) {
  const auto until = std::chrono::steady_clock::now() + span;
  while (!stop && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kStopCheck);
}

}  // namespace runledger::tools
