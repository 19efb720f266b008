#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aggregators/shard.h"
#include "codecs/record_decoder.h"
#include "fakes/events.h"

// The hot path asks the heap for nothing once its tables have the size that they need: counted, not timed.

namespace {

std::atomic<uint64_t> allocations{0};

void* Counted(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t size) { return Counted(size); }
void* operator new[](size_t size) { return Counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace runledger::aggregators {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;
constexpr size_t kOpen = 3'000;

// A platform of 40 jobs with 3,000 open runs, each of which beats once and ends; one starts for each that ends. An
// event takes 0.2 s of log time, so that windows and horizon move on.
class Platform {
 public:
  Platform() {
    for (size_t i = 0; i < kOpen; ++i) Start();
  }

  // The next events, as records hold them. They are made before anything is counted.
  std::vector<std::pair<int64_t, std::string>> Take(size_t count) {
    while (events_.size() < count) {
      const size_t place = random_() % running_.size();
      Add(running_[place], v1::RUNNING, true);
      Add(running_[place], random_() % 10 == 0 ? v1::FAILED : v1::SUCCESS, false);
      running_[place] = running_.back();
      running_.pop_back();
      Start();
    }
    return std::exchange(events_, {});
  }

 private:
  void Start() {
    running_.push_back(next_++);
    Add(running_.back(), v1::RUNNING, false);
  }
  void Add(size_t run, v1::Status status, bool heartbeat) {
    now_us_ += 200'000;
    const std::string job = "Processor" + std::to_string(run % 40);
    v1::Event event = fakes::RunEvent(job, job + "_20260112_113008_" + std::to_string(run), status, now_us_);
    event.mutable_run()->set_heartbeat(heartbeat);
    event.mutable_run()->set_phase("phase_" + std::to_string(run % 3));
    event.mutable_run()->set_workflow("morning_operations");
    event.mutable_run()->set_data_date(20'465);
    events_.emplace_back(now_us_, event.SerializeAsString());
  }

  std::mt19937_64 random_{1};
  int64_t now_us_ = kStartUs;
  size_t next_ = 0;
  std::vector<size_t> running_;
  std::vector<std::pair<int64_t, std::string>> events_;
};

class Folder : public codecs::EventVisitor {
 public:
  // Reads the records as delivery does, and publishes every thousand.
  void Fold(const std::vector<std::pair<int64_t, std::string>>& records) {
    constexpr size_t kAhead = codecs::RecordDecoder::kAhead;
    std::array<codecs::EncodedRecord, kAhead> next;
    for (size_t at = 0; at < records.size(); at += kAhead) {
      const size_t count = std::min(kAhead, records.size() - at);
      for (size_t i = 0; i < count; ++i) next[i] = {.value = records[at + i].second, .time_us = records[at + i].first};
      decoder_.LookAhead({next.data(), count}, this);
      for (size_t i = 0; i < count; ++i) {
        shard_.BeginRecord(next[i].time_us, TimestampKind::kAppendTime);
        decoder_.Decode(next[i], this);
        shard_.EndRecord();
      }
      if (at % 1'024 == 0) {
        shard_.AdvanceWatermark(next[0].time_us);
        EXPECT_TRUE(shard_.Publish({}));
      }
    }
  }
  void OnEvent(int32_t, const codecs::Event& event) override {
    shard_.Apply(event);
    ++events_;
  }
  void OnAhead(std::span<const codecs::Event* const> events) override { shard_.Prefetch(events); }
  void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
    ADD_FAILURE() << rejection.text;
  }

  size_t events_ = 0;
  Shard shard_{ShardOptions{.horizon_us = kHourUs, .closed_runs = 2'000}, std::make_shared<JobPolicies>()};
  codecs::RecordDecoder decoder_{codecs::Limits{}, codecs::Framing::kAuto};
};

TEST(SteadyState, DecodingFoldingAndPublishingAskTheHeapForNothing) {
  Platform platform;
  Folder folder;
  // Five and a half hours of log time: hours of a window grow by doubling, and the next two need no more room.
  folder.Fold(platform.Take(100'000));
  const auto records = platform.Take(30'000);
  const uint64_t before = allocations.load();
  folder.Fold(records);
  const uint64_t made = allocations.load() - before;
  EXPECT_EQ(folder.shard_.open_runs(), kOpen);
  EXPECT_EQ(folder.shard_.closed_runs(), 2'000);
  EXPECT_GE(folder.events_, 130'000);
  EXPECT_EQ(made, 0);
}

TEST(SteadyState, TheCounterCounts) {
  const uint64_t before = allocations.load();
  const auto some = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(allocations.load() - before, 2) << some->size();
}

}  // namespace
}  // namespace runledger::aggregators
