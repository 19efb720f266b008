#include "tools/runledger/serve.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

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

// Until it is to end; reads the configuration again at every SIGHUP. The signal that ends it.
int WaitForEnd(ConfigWatch* configuration) {
  const sigset_t signals = ServeSignals();
  for (;;) {
    int number = 0;
    sigwait(&signals, &number);
    if (number != SIGHUP) return number;
    configuration->Reload();
  }
}

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

int Serve(const Config& config, ConfigSource source, std::shared_ptr<spdlog::logger> logger) {
  BlockSignals();
  const sigset_t signals = ServeSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::atomic<bool> fatal{false};
  auto instance = Instance::Create(config, logger, [&fatal](const std::string&) {
    fatal = true;
    kill(getpid(), SIGTERM);  // ends as if asked to, and says so with its exit status
  });
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
  std::atomic<bool> stop{false};
  const auto problem = [&instance](const std::string& subject, const std::string& text) {
    (*instance)->SetProblem(subject, text);
  };
  std::thread topics([&] { WatchTopics(config, logger.get(), problem, stop); });
  std::thread spool([&] { WatchSpool(config, logger.get(), problem, &(*instance)->metrics(), stop); });
  ConfigWatch configuration(std::move(source), instance->get(), logger.get());
  std::thread configured([&] { configuration.Run(stop); });
  pthread_setname_np(configured.native_handle(), "config");
  pthread_setname_np(topics.native_handle(), "topics");
  pthread_setname_np(spool.native_handle(), "spool");
  const auto end_watches = [&] {
    stop = true;
    topics.join();
    spool.join();
    configured.join();
  };
  if (absl::Status status = (*instance)->Start(); !status.ok()) {
    logger->critical("{}", std::string(status.message()));
    end_watches();
    return kFailed;
  }
  const int number = WaitForEnd(&configuration);
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
  stop = true;
  (*instance)->Stop();
  end_watches();
  logger->info("stopped");
  return fatal ? kFailed : kFine;
}

}  // namespace runledger::tools
