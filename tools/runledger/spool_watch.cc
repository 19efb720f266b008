#include "tools/runledger/spool_watch.h"

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "tools/runledger/producer_commands.h"
#include "tools/runledger/spool.h"
#include "tools/runledger/spool_drain.h"
#include "tools/runledger/units.h"
#include "tools/runledger/watch_pause.h"

namespace runledger::tools {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kLookEvery{5};
constexpr std::chrono::seconds kLong{60};        // waiting for longer is a problem
constexpr std::chrono::seconds kNoProgress{10};  // the log takes nothing: another time

constexpr char kSubject[] = "spool";

class SpoolWatch {
 public:
  SpoolWatch(const Config& config, std::string directory, spdlog::logger* logger, ingest::OwnMetrics* metrics,
             const std::atomic<bool>* stop)
      : config_(config),
        directory_(std::move(directory)),
        logger_(logger),
        events_(metrics->spool_events.Add({})),
        bytes_(metrics->spool_bytes.Add({})),
        sent_(metrics->spool_sent.Add({})),
        stop_(*stop) {}

  // Sends what can be sent. What is wrong, if anything is.
  std::string Look();

 private:
  // A file with events, as it was when it was looked at.
  struct Known {
    int64_t modified_ns = 0;
    uint64_t events = 0;
    SpoolTarget target;
    steady_clock::time_point first_seen;
  };

  absl::Status Count(const Spool& spool);
  bool Ours(const Known& file) const { return SameCluster(file.target.brokers, config_.brokers); }
  std::string Send(Spool* spool, kafka::Partitioner partitioner);
  std::string Problem(const std::string& reason) const;

  const Config& config_;
  const std::string directory_;
  spdlog::logger* const logger_;
  prometheus::Gauge& events_;
  prometheus::Gauge& bytes_;
  prometheus::Counter& sent_;
  const std::atomic<bool>& stop_;
  std::map<std::pair<std::string, uint64_t>, Known> files_;  // by name and inode
  size_t set_aside_ = 0;
};

std::string SpoolWatch::Look() {
  Spool spool(directory_, config_.spool_max_bytes);  // anew: the directory may have been made anew
  const absl::Status opened = spool.Open(false);
  if (absl::IsNotFound(opened)) {
    files_.clear();
    events_.Set(0);
    bytes_.Set(0);
    return "";
  }
  if (!opened.ok()) return std::string(opened.message());
  if (absl::Status counted = Count(spool); !counted.ok()) return std::string(counted.message());

  std::string reason;
  std::set<kafka::Partitioner> partitioners;
  for (const auto& [id, file] : files_) {
    if (Ours(file)) partitioners.insert(file.target.partitioner);
  }
  for (const kafka::Partitioner partitioner : partitioners) {
    if (std::string why = Send(&spool, partitioner); !why.empty()) reason = std::move(why);
  }
  if (!partitioners.empty()) {
    if (absl::Status counted = Count(spool); !counted.ok()) return std::string(counted.message());
  }
  return Problem(reason);
}

// What is there. Files that have not changed are not read again.
absl::Status SpoolWatch::Count(const Spool& spool) {
  const auto listing = spool.List();
  if (!listing.ok()) return listing.status();
  std::map<std::pair<std::string, uint64_t>, Known> files;
  uint64_t events = 0;
  for (const Spool::File& file : listing->waiting) {
    const std::pair id(file.name, file.inode);
    const auto known = files_.find(id);
    Known now = known != files_.end() ? known->second : Known{.first_seen = steady_clock::now()};
    if (known == files_.end() || known->second.modified_ns != file.modified_ns) {
      const auto reader = spool.Look(file.name);
      if (!reader.ok() || *reader == nullptr) continue;
      now.modified_ns = file.modified_ns;
      now.target = (*reader)->target();
      now.events = 0;
      for (SpooledMessage message; (*reader)->Next(&message);) ++now.events;
    }
    events += now.events;
    files.emplace(id, std::move(now));
  }
  files_ = std::move(files);
  set_aside_ = listing->set_aside.size();
  events_.Set(static_cast<double>(events));
  bytes_.Set(static_cast<double>(listing->bytes));
  return absl::OkStatus();
}

// Why not all was sent; empty: it was, or other processes have the rest in hand.
std::string SpoolWatch::Send(Spool* spool, kafka::Partitioner partitioner) {
  EventSenderOptions options = SenderOptionsOf(config_);
  options.partitioner = partitioner;
  SpoolDrain* reports_to = nullptr;
  EventSender sender(options, [&reports_to](uint64_t tag, const absl::Status& status) {
    if (reports_to != nullptr) reports_to->OnReport(tag, status);
  });
  SpoolDrain drain(spool, &sender, [this](const std::string& text) { logger_->warn("spool: {}", text); });
  reports_to = &drain;
  drain.Begin();
  uint64_t sent = 0;
  auto progress = steady_clock::now();
  while (drain.Step() && !stop_ && steady_clock::now() - progress < kNoProgress) {
    sender.WaitForRoom(steady_clock::now() + kStopCheck).IgnoreError();  // asked again
    if (drain.sent() > sent) progress = steady_clock::now();
    sent_.Increment(static_cast<double>(drain.sent() - sent));
    sent = drain.sent();
  }
  reports_to = nullptr;
  if (sent > 0) logger_->info("spool: {} events out of {} are in the log", sent, directory_);
  return drain.active() ? sender.Trouble() : "";
}

std::string SpoolWatch::Problem(const std::string& reason) const {
  uint64_t waiting = 0, foreign = 0;
  std::string elsewhere;
  const auto now = steady_clock::now();
  auto since = now;
  for (const auto& [id, file] : files_) {
    if (file.events == 0 || now - file.first_seen < kLong) continue;
    if (Ours(file)) {
      waiting += file.events;
      since = std::min(since, file.first_seen);
    } else {
      foreign += file.events;
      elsewhere = file.target.brokers;
    }
  }
  std::string text;
  const auto add = [&text](const std::string& sentence) { text += (text.empty() ? "" : "; ") + sentence; };
  if (waiting > 0) {
    // In whole minutes: the text is told again when it changes.
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(now - since);
    add(std::to_string(waiting) + " events of producers have waited in " + directory_ + " for more than " +
        HumanDuration(std::chrono::microseconds(minutes).count()) + ": " +
        (reason.empty() ? "the processes that left them go on trying" : reason));
  }
  if (foreign > 0) {
    add(std::to_string(foreign) + " events in " + directory_ + " are for " + elsewhere +
        ", which log.brokers does not name");
  }
  if (set_aside_ > 0) {
    add(std::to_string(set_aside_) + " files in " + directory_ +
        " were set aside as damaged or refused: look at them, then delete them");
  }
  return text;
}

}  // namespace

void WatchSpool(const Config& config, spdlog::logger* logger,
                const std::function<void(const std::string&, const std::string&)>& problem, ingest::OwnMetrics* metrics,
                const std::atomic<bool>& stop) {
  const std::string directory = SpoolDirectory(config.spool_dir);
  if (directory.empty()) return;
  SpoolWatch watch(config, directory, logger, metrics, &stop);
  bool well = true;
  while (!stop) {
    const std::string text = watch.Look();
    problem(kSubject, text);
    if (well && !text.empty()) logger->warn("{}: {}", kSubject, text);
    if (!well && text.empty()) logger->info("{}: well again", kSubject);
    well = text.empty();
    PauseFor(kLookEvery, stop);
  }
}

}  // namespace runledger::tools
