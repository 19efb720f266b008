#include "tools/runledger/serve.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tools/runledger/exit_status.h"
#include "tools/runledger/instance.h"
#include "tools/runledger/spool_watch.h"
#include "tools/runledger/topics.h"
#include "tools/runledger/version.h"

namespace runledger::tools {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

sigset_t ServeSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGHUP);
  return signals;
}

// Until it is to end; has the configuration read again at every SIGHUP. The signal that ends it.
int WaitForEnd(ConfigWatch* configuration) {
  const sigset_t signals = ServeSignals();
  for (;;) {
    int number = 0;
    sigwait(&signals, &number);
    if (number != SIGHUP) return number;
    configuration->Ask();
  }
}

// Whether the process ends because it was asked to, or because the Kafka client has given up for good.
class Ending {
 public:
  // The client has. Any thread. Ends as if asked to, unless it does already.
  void OnFatal() {
    const std::lock_guard lock(mutex_);
    fatal_ = true;
    if (!begun_) kill(getpid(), SIGTERM);
  }
  // It ends: each signal that comes from now on is somebody's. True: because of the client.
  bool Begin() {
    const std::lock_guard lock(mutex_);
    begun_ = true;
    if (fatal_) {  // should it be our own that came second
      sigset_t term;
      sigemptyset(&term);
      sigaddset(&term, SIGTERM);
      const timespec none = {};
      sigtimedwait(&term, nullptr, &none);
    }
    return fatal_;
  }

 private:
  std::mutex mutex_;
  bool begun_ = false;  // guarded by mutex_
  bool fatal_ = false;  // guarded by mutex_
};

// Threads that look at something now and then, until they are told to stop or this goes.
class Watches {
 public:
  Watches() = default;
  ~Watches() { Join(); }
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // Runs `watch` until the flag that it is given is set. Throws std::system_error where no thread can be had.
  template <typename Watch>
  void Start(const char* name, Watch watch) {
    threads_.emplace_back([this, watch = std::move(watch)] { watch(stop_); });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
  void Stop() { stop_ = true; }
  void Join() {
    Stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// Ends the process when giving back takes too long: somebody who is away must not keep it. As after a crash: what was
// not committed is read again, and the warehouse knows what it has.
void EndAfter(int64_t timeout_us, std::shared_ptr<spdlog::logger> logger) {
  std::thread([timeout_us, logger = std::move(logger)] {
    std::this_thread::sleep_for(std::chrono::microseconds(timeout_us));
    logger->critical(
        "not everything was given back within shutdown_timeout: ending all the same. Nothing is lost: what was not "
        "committed is read again");
    logger->flush();
    _exit(kFailed);
  }).detach();
}

int Run(const Config& config, ConfigSource source, const std::shared_ptr<spdlog::logger>& logger) {
  Ending ending;
  auto instance = Instance::Create(config, logger, [&ending](const std::string&) { ending.OnFatal(); });
  if (!instance.ok()) {
    std::istringstream lines{std::string(instance.status().message())};  // each with its time and level
    for (std::string line; std::getline(lines, line);) logger->critical("{}", line);
    return absl::IsInvalidArgument(instance.status()) ? kWrongUse : kFailed;
  }
  logger->info("runledger {} listens on {}, reads {} from {} as group {}, writes to {}", kVersion, (*instance)->url(),
               config.topics.front().name + (config.topics.size() > 1 ? " and others" : ""), config.brokers,
               config.group,
               config.warehouse_kind == "sqlite"     ? config.warehouse_path
               : config.warehouse_kind == "bigquery" ? config.bigquery_project + "." + config.bigquery_dataset
                                                     : std::string("no warehouse"));
  // Asking a cluster that is away takes its time; reading starts meanwhile.
  const auto problem = [&instance](const std::string& subject, const std::string& text) {
    (*instance)->SetProblem(subject, text);
  };
  ConfigWatch configuration(std::move(source), instance->get(), logger.get());
  Watches watches;
  using Flag = std::atomic<bool>;
  watches.Start("topics", [&](const Flag& stop) { WatchTopics(config, logger.get(), problem, stop); });
  watches.Start("spool",
                [&](const Flag& stop) { WatchSpool(config, logger.get(), problem, &(*instance)->metrics(), stop); });
  watches.Start("config", [&](const Flag& stop) { configuration.Run(stop); });
  if (absl::Status status = (*instance)->Start(); !status.ok()) {
    logger->critical("{}", std::string(status.message()));
    EndAfter(config.shutdown_timeout_us, logger);
    return kFailed;
  }
  const int number = WaitForEnd(&configuration);
  const bool fatal = ending.Begin();
  if (fatal) {
    logger->critical("the Kafka client has given up for good: ending");
  } else {
    logger->info("signal {}: giving the partitions back", number);
  }
  std::thread([] {
    WaitForSignal();
    _exit(kFailed);  // asked twice: as after a crash, which is safe
  }).detach();
  EndAfter(config.shutdown_timeout_us, logger);
  watches.Stop();
  (*instance)->Stop();
  watches.Join();
  logger->info("stopped");
  return fatal ? kFailed : kFine;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a client that goes away is an error of its connection, not of the process
  signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of that write, as a full disk is
}

int WaitForSignal() {
  const sigset_t signals = StopSignals();
  int number = 0;
  sigwait(&signals, &number);
  return number;
}

bool StopSignalPending() {
  sigset_t pending;
  return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

int Serve(const Config& config, ConfigSource source, std::shared_ptr<spdlog::logger> logger) {
  BlockSignals();
  const sigset_t signals = ServeSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    return Run(config, std::move(source), logger);
  } catch (const std::system_error& error) {  // a thread cannot be had
    logger->critical("ending, as the system has not given what is needed: {}", error.what());
    return kFailed;
  }
}

}  // namespace runledger::tools
