// How much slower does a busy writer fold while its 100,000 series are scraped once a second?
//
//   bench_scrape_writer [pairs] [seconds a phase]     15 and 2 unless told otherwise
//
// One thread folds events of all 12 shards without a pause, 1,000 of each in turn, and publishes each shard as often as
// delivery does. Phases without and with a scrape a second, on another thread, alternate; what is compared is the
// writer's own processor time an event, which is not what other programs take from it. What a scrape can cost it:
// blocks to copy because a reader holds the older one, and caches.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/many_series.h"
#include "bench/result.h"
#include "bench/stopwatch.h"
#include "exporters/prometheus/exposition.h"
#include "ingest/delivery.h"

namespace runledger::bench {
namespace {

constexpr size_t kBatch = 1'000;

// Folds runs one after the other: a start, then its end, of jobs in turn.
class Writer {
 public:
  explicit Writer(ManySeries* instance) : instance_(*instance), published_(ManySeries::kPartitions, 0) {
    for (int p = 0; p < ManySeries::kPartitions; ++p) {
      for (int job = 0; job < ManySeries::kJobs; ++job) names_.push_back(ManySeries::JobName(p, job));
    }
  }
  // Processor seconds an event over so long a time.
  double Run(double seconds) {
    const Stopwatch watch(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t before = events_;
    while (watch.wall_seconds() < seconds) {
      for (int p = 0; p < ManySeries::kPartitions; ++p) FoldBatch(p);
    }
    return watch.cpu_seconds() / static_cast<double>(events_ - before);
  }

 private:
  void FoldBatch(int partition) {
    aggregators::Shard* shard = instance_.shards[static_cast<size_t>(partition)].get();
    for (size_t i = 0; i < kBatch; i += 2) {
      const size_t job = runs_ * 7919 % ManySeries::kJobs;  // near and far ones
      const std::string& name = names_[static_cast<size_t>(partition) * ManySeries::kJobs + job];
      id_ = name;
      id_ += "_20260112_";
      id_ += std::to_string(runs_++);
      FoldRunEvent(shard, name, id_, codecs::Status::kRunning, ManySeries::kNowUs);
      FoldRunEvent(shard, name, id_, runs_ % 16 == 0 ? codecs::Status::kFailed : codecs::Status::kSuccess,
                   ManySeries::kNowUs + 1'000);
      events_ += 2;
    }
    const double now = SecondsOf(CLOCK_MONOTONIC);
    double& published = published_[static_cast<size_t>(partition)];
    if ((now - published) * 1e6 < static_cast<double>(ingest::DeliveryOptions().publish_interval_us)) return;
    published = now;
    PublishShard(shard);
  }

  ManySeries& instance_;
  std::vector<std::string> names_;
  std::vector<double> published_;
  std::string id_;
  uint64_t runs_ = 0;
  uint64_t events_ = 0;
};

// Scrapes once a second while it is on.
class Scraper {
 public:
  explicit Scraper(ManySeries* instance)
      : exposition_(instance->directory, instance->own, {}), thread_([this] { Run(); }) {}
  ~Scraper() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void Set(bool on) {
    {
      const std::lock_guard lock(mutex_);
      on_ = on;
    }
    changed_.notify_one();
  }
  int scrapes() const { return scrapes_.load(std::memory_order_relaxed); }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return on_ || stopping_; });
      if (stopping_) return;
      const auto next = std::chrono::steady_clock::now() + std::chrono::seconds(1);
      lock.unlock();
      bytes_ = exposition_.Scrape(exporters::Format::kText004).size();
      scrapes_.fetch_add(1, std::memory_order_relaxed);
      lock.lock();
      changed_.wait_until(lock, next, [this] { return stopping_; });
    }
  }

  exporters::Exposition exposition_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool on_ = false;        // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  size_t bytes_ = 0;       // the scraper's thread
  std::atomic<int> scrapes_{0};
  std::thread thread_;
};

int Main(int pairs, double seconds) {
  ManySeries instance;
  Writer writer(&instance);
  Scraper scraper(&instance);
  writer.Run(seconds);  // until the closed runs have their number
  std::vector<double> slower;
  for (int pair = 0; pair < pairs; ++pair) {
    // Which comes first changes: a machine that grows slower or faster hits both.
    double alone = 0, scraped = 0;
    for (int phase = 0; phase < 2; ++phase) {
      const bool on = (phase == 0) == (pair % 2 == 0);
      scraper.Set(on);
      (on ? scraped : alone) = writer.Run(seconds);
    }
    scraper.Set(false);
    slower.push_back((scraped / alone - 1) * 100);
    std::printf("%3d  alone %.1f ns an event, scraped %.1f ns: %+.2f %%\n", pair + 1, alone * 1e9, scraped * 1e9,
                slower.back());
  }
  std::printf("median %+.2f %%, %d scrapes\n", Median(slower), scraper.scrapes());
  Record("scrape_writer.slower_percent", Median(slower));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  return runledger::bench::Main(argc > 1 ? std::atoi(argv[1]) : 15, argc > 2 ? std::atof(argv[2]) : 2);
}
