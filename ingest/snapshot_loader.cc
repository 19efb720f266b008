#include "ingest/snapshot_loader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ingest/snapshot_file.h"

namespace runledger::ingest {
namespace {

constexpr auto kAskAgain = std::chrono::seconds(5);
constexpr auto kIdle = std::chrono::milliseconds(500);
constexpr size_t kSweptAtOnce = 50'000;  // keys remembered before they are handed over

}  // namespace

SnapshotLoader::SnapshotLoader(const KafkaSnapshots::Options& options, SnapshotListener* listener,
                               std::shared_ptr<spdlog::logger> logger, SnapshotSaver* saver)
    : options_(options), listener_(listener), logger_(std::move(logger)), saver_(saver) {}

SnapshotLoader::~SnapshotLoader() { Stop(); }

absl::Status SnapshotLoader::Start() {
  auto reader = SnapshotReader::Create(options_.client, options_.topic, options_.group, options_.log);
  if (!reader.ok()) return reader.status();
  reader_ = std::move(*reader);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "snapshots-in");
  return absl::OkStatus();
}

void SnapshotLoader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SnapshotLoader::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

bool SnapshotLoader::stopped() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool SnapshotLoader::interrupted() {
  const std::lock_guard lock(mutex_);
  return stopping_ || !tasks_.empty();
}

void SnapshotLoader::Run() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kIdle, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task) {
      task();
      continue;
    }
    reader_->Poll();
    if (!ends_known_ && !taken_.empty() && Clock::now() >= ask_again_) AskEnds();
    if (sweep_at_ && Clock::now() >= *sweep_at_) Sweep();
  }
}

// The ends of the topic's partitions; empty: it does not say.
std::vector<int64_t> SnapshotLoader::AskEnds() {
  if (Clock::now() < ask_again_) return {};
  auto ends = reader_->Ends(static_cast<int>(options_.ask_timeout.count()));
  if (ends.ok()) {
    ends_known_ = true;
    ends_problem_.clear();
    saver_->SetPartitions(static_cast<int32_t>(ends->size()));
    return *std::move(ends);
  }
  ask_again_ = Clock::now() + kAskAgain;
  const std::string problem(ends.status().message());
  if (problem != ends_problem_) logger_->warn("snapshots: {}", problem);
  ends_problem_ = problem;
  return {};
}

// ---- Loading.

void SnapshotLoader::Load(Request request) {
  Post([this, request = std::move(request)] { LoadNow(request); });
}

void SnapshotLoader::LoadNow(const Request& request) {
  absl::StatusOr<SnapshotPointer> pointer = absl::NotFoundError("no snapshot is committed");
  if (!request.pointer.empty()) pointer = SnapshotPointer::Decode(request.pointer);
  Taken& taken = taken_[request.partition];
  if (taken.tenure != request.tenure) {
    taken = Taken{};
    taken.tenure = request.tenure;
    if (pointer.ok()) taken.found_id = pointer->id;
    taken.ends = AskEnds();  // before this owner can commit anything: Sweep rests on it
    // A pointer that is not understood may be a newer version's: what it leads to is not known, so nothing is swept.
    if (!request.pointer.empty() && !pointer.ok()) taken.ends.clear();
    saver_->Take(request.partition, request.tenure, pointer.ok() ? std::optional(*pointer) : std::nullopt);
  }
  absl::StatusOr<Snapshot> found = Find(request, pointer, &taken);
  if (absl::IsCancelled(found.status())) return;  // nobody waits any more
  listener_->OnSnapshotLoaded(request.partition, request.tenure, std::move(found));
}

absl::StatusOr<Snapshot> SnapshotLoader::Find(const Request& request, const absl::StatusOr<SnapshotPointer>& pointer,
                                              Taken* taken) {
  if (request.pointer.empty()) return pointer.status();
  if (taken->loaded && *taken->loaded >= request.before)
    return absl::NotFoundError("only the committed snapshot is kept");
  const auto skip = [&](const std::string& why) {
    logger_->warn("{}: snapshot {} in topic {} is passed over: {}", ToString(request.partition), request.pointer,
                  options_.topic, why);
    return absl::NotFoundError(why);
  };
  if (!pointer.ok()) return skip(std::string(pointer.status().message()));
  const absl::StatusOr<std::string> kept = ReadPatiently(request, *pointer);
  if (absl::IsCancelled(kept.status())) return kept.status();
  if (!kept.ok()) return skip(std::string(kept.status().message()));
  const auto identity = DecodeSnapshotIdentity(*kept);
  if (!identity.ok()) return skip(std::string(identity.status().message()));
  if (const absl::Status of = CheckSnapshotIsOf(*identity, request.partition, request.cluster_id, request.log_epoch);
      !of.ok())
    return skip(std::string(of.message()));
  taken->loaded = identity->position;
  if (identity->position >= request.before) return absl::NotFoundError("only the committed snapshot is kept");
  absl::StatusOr<Snapshot> snapshot = DecodeSnapshot(*kept, options_.max_bytes);
  if (!snapshot.ok()) return skip(std::string(snapshot.status().message()));
  return snapshot;
}

// Brokers that do not answer are waited for; loads that wait in line wait at the same time.
absl::StatusOr<std::string> SnapshotLoader::ReadPatiently(const Request& request, const SnapshotPointer& pointer) {
  const auto waited =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - std::max(request.asked, progress_));
  const SnapshotReader::Limits limits{
      std::max<std::chrono::milliseconds>(options_.load_patience - waited, std::chrono::seconds(1)),
      [this] { return stopped(); }};
  auto bytes = reader_->Read(pointer, request.partition, limits);
  if (bytes.ok() || absl::IsNotFound(bytes.status())) progress_ = Clock::now();
  return bytes;
}

// ---- What is left behind.

void SnapshotLoader::Confirmed(const TopicPartition& partition, Tenure tenure) {
  Post([this, partition, tenure] {
    const auto at = taken_.find(partition);
    if (at == taken_.end() || at->second.tenure != tenure || at->second.ends.empty()) return;
    at->second.confirmed = true;
    sweep_at_ = Clock::now() + options_.sweep_delay;
  });
}

void SnapshotLoader::Sweep() {
  sweep_at_.reset();
  std::map<TopicPartition, const Taken*> wanted;
  std::vector<int64_t> ends;
  for (const auto& [partition, taken] : taken_) {
    if (!taken.confirmed || taken.swept) continue;
    wanted[partition] = &taken;
    ends.resize(std::max(ends.size(), taken.ends.size()));
    for (size_t i = 0; i < taken.ends.size(); ++i) ends[i] = std::max(ends[i], taken.ends[i]);
  }
  const SnapshotReader::Limits limits{options_.load_patience, [this] { return interrupted(); }};
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i] == 0) continue;
    const auto number = static_cast<int32_t>(i);
    std::set<std::string> keys;
    const auto hand_over = [&] {
      std::vector<SnapshotSaver::Deletion> deletions;
      for (const std::string& key : keys) deletions.push_back({number, key});
      saver_->Delete(std::move(deletions));
      keys.clear();
    };
    const absl::Status status =
        reader_->Scan(number, ends[i], limits, [&](const ChunkKey& key, int64_t offset, bool deleted) {
          const auto of = wanted.find(key.of);
          if (of == wanted.end() || key.id == of->second->found_id) return;
          if (i >= of->second->ends.size() || offset >= of->second->ends[i]) return;
          if (deleted) {
            keys.erase(key.Encode());
          } else {
            keys.insert(key.Encode());
          }
          if (keys.size() >= kSweptAtOnce) hand_over();
        });
    if (!status.ok()) {
      if (!absl::IsCancelled(status))
        logger_->warn("snapshots: looking for what is left behind: {}", std::string(status.message()));
      sweep_at_ = Clock::now() + options_.sweep_delay;
      return;
    }
    if (!keys.empty()) {
      logger_->info("snapshots: {} chunks in {} that no commit points to are deleted", keys.size(),
                    ToString(TopicPartition{options_.topic, number}));
    }
    hand_over();
  }
  for (const auto& [partition, taken] : wanted) taken_[partition].swept = true;
}

}  // namespace runledger::ingest
