#include "tools/runledger/serve.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "tools/runledger/exit_status.h"
#include "tools/runledger/instance.h"
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

int Serve(const Config& config, std::shared_ptr<spdlog::logger> logger) {
  BlockSignals();
  std::atomic<bool> fatal{false};
  auto instance = Instance::Create(config, logger, [&fatal](const std::string&) {
    fatal = true;
    kill(getpid(), SIGTERM);  // ends as if asked to, and says so with its exit status
  });
  if (!instance.ok()) {
    logger->critical("{}", std::string(instance.status().message()));
    return absl::IsInvalidArgument(instance.status()) ? kWrongUse : kFailed;
  }
  logger->info("runledger {} listens on {}, reads {} from {} as group {}, writes to {}", kVersion, (*instance)->url(),
               config.topics.front().name + (config.topics.size() > 1 ? " and others" : ""), config.brokers,
               config.group, config.warehouse_kind == "sqlite" ? config.warehouse_path : std::string("no warehouse"));
  // Asking a cluster that is away takes its time; reading starts meanwhile.
  std::atomic<bool> stop{false};
  std::thread watch([&config, logger, &stop, &instance] {
    const auto problem = [&instance](const std::string& subject, const std::string& text) {
      (*instance)->SetProblem(subject, text);
    };
    WatchTopics(config, logger.get(), problem, stop);
  });
  if (absl::Status status = (*instance)->Start(); !status.ok()) {
    logger->critical("{}", std::string(status.message()));
    stop = true;
    watch.join();
    return kFailed;
  }
  const int number = WaitForSignal();
  if (fatal) {
    logger->critical("the Kafka client has given up for good: ending");
  } else {
    logger->info("signal {}: giving the partitions back", number);
  }
  std::thread([] {
    WaitForSignal();
    _exit(kFailed);  // asked twice: as after a crash, which is safe
  }).detach();
  stop = true;
  (*instance)->Stop();
  watch.join();
  logger->info("stopped");
  return fatal ? kFailed : kFine;
}

}  // namespace runledger::tools
