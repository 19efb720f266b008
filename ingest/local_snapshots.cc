#include "ingest/local_snapshots.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/hash.h"

namespace runledger::ingest {
namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".snapshot";
constexpr char kUnfinished[] = ".part";
constexpr size_t kKept = 2;
constexpr size_t kHeaderBytes = 8'192;

absl::Status Failed(const std::string& what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("opening", path);
  const bool synced = fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : Failed("syncing", path);
  close(fd);
  return status;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::UnavailableError("it cannot be read");
  std::string bytes;
  char buffer[1 << 16];
  while (bytes.size() < max_bytes && (file.read(buffer, sizeof buffer), file.gcount() > 0))
    bytes.append(buffer, static_cast<size_t>(file.gcount()));
  return bytes;
}

// Files of a folder whose names end so, the newest first.
std::vector<fs::path> FilesOf(const std::string& folder, const char* suffix) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;  // a pipe would be waited for without end
    if (at->path().extension() == suffix && at->is_regular_file(ignored)) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() > b.filename(); });
  return files;
}

// Any text as the name of a file. Different texts have different names.
std::string FileName(const std::string& text) {
  constexpr size_t kMost = 200;  // a file system takes 255 bytes
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || (c == '.' && !name.empty());
    name += plain ? std::string(1, c) : absl::StrCat("%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  }
  if (name.size() > kMost) name = absl::StrCat(name.substr(0, kMost - 33), "-", codecs::Hex(codecs::HashBytes(text)));
  return name.empty() ? "%" : name;
}

std::string NameOf(const TopicPartition& partition) {
  return partition.topic + "-" + std::to_string(partition.partition);
}

}  // namespace

// A snapshot on its way into a file.
struct LocalSnapshots::Writing {
  Tenure tenure = 0;
  uint64_t save = 0;
  SnapshotIdentity identity;
  SnapshotEncoder encoder;
  std::string path;
  int fd = -1;
  absl::Status status;
  int64_t bytes = 0;  // written so far

  explicit Writing(const SnapshotIdentity& of) : identity(of), encoder(of) {}
  ~Writing() {
    if (fd < 0) return;
    close(fd);
    unlink((path + kUnfinished).c_str());
  }

  void Write(std::string_view rest) {
    while (status.ok() && !rest.empty()) {
      const ssize_t written = write(fd, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        status = Failed("writing", path + kUnfinished);
      } else {
        rest.remove_prefix(static_cast<size_t>(written));
        bytes += written;
      }
    }
  }
};

LocalSnapshots::LocalSnapshots(Options options, SnapshotListener* listener, std::shared_ptr<spdlog::logger> logger)
    : options_(std::move(options)), listener_(listener), logger_(std::move(logger)) {}

LocalSnapshots::~LocalSnapshots() { Stop(); }

absl::Status LocalSnapshots::Start() {
  const std::string& directory = options_.directory;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    return absl::FailedPreconditionError(absl::StrCat("state.dir ", directory, " cannot be made: ", error.message()));
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("state.dir ", directory, " cannot be written: ", std::strerror(errno)));
  }
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "snapshots");
  return absl::OkStatus();
}

void LocalSnapshots::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LocalSnapshots::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void LocalSnapshots::Run() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

std::string LocalSnapshots::FolderOf(const TopicPartition& partition, const std::string& cluster_id) const {
  return absl::StrCat(options_.directory, "/", FileName(options_.group), "/", FileName(cluster_id), "/",
                      NameOf(partition));
}

std::vector<std::string> LocalSnapshots::OtherFoldersOf(const TopicPartition& partition,
                                                        const std::string& cluster_id) const {
  const std::string name = NameOf(partition);
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator at(options_.directory + "/" + FileName(options_.group), error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().filename() != FileName(cluster_id)) folders.push_back(at->path().string() + "/" + name);
  }
  std::sort(folders.begin(), folders.end());
  folders.push_back(options_.directory + "/" + name);
  return folders;
}

void LocalSnapshots::Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id,
                          int64_t log_epoch, const std::string&, const Position& before) {
  Post([=, this] {
    listener_->OnSnapshotLoaded(partition, tenure, LoadNewest(partition, cluster_id, log_epoch, before));
  });
}

absl::StatusOr<Snapshot> LocalSnapshots::LoadNewest(const TopicPartition& partition, const std::string& cluster_id,
                                                    int64_t log_epoch, const Position& before) {
  const std::string own = FolderOf(partition, cluster_id);
  std::vector<fs::path> files = FilesOf(own, kSuffix);
  for (const std::string& folder : OtherFoldersOf(partition, cluster_id)) {
    for (fs::path& path : FilesOf(folder, kSuffix)) files.push_back(std::move(path));
  }
  for (const fs::path& path : files) {
    const auto skip = [&](const std::string& why) {
      logger_->warn("{}: snapshot {} is passed over: {}", ToString(partition), path.string(), why);
    };
    const auto head = ReadFile(path, kHeaderBytes);
    const auto identity = head.ok() ? DecodeSnapshotIdentity(*head) : absl::StatusOr<SnapshotIdentity>(head.status());
    if (!identity.ok()) {
      skip(std::string(identity.status().message()));
    } else if (identity->position >= before) {
      continue;  // asked for an older one
    } else if (const absl::Status of = CheckSnapshotIsOf(*identity, partition, cluster_id, log_epoch); !of.ok()) {
      skip(std::string(of.message()));
    } else {
      const auto kept = ReadFile(path, SIZE_MAX);
      absl::StatusOr<Snapshot> snapshot =
          kept.ok() ? DecodeSnapshot(*kept, options_.max_bytes) : absl::StatusOr<Snapshot>(kept.status());
      if (snapshot.ok() && path.parent_path() != own) {
        logger_->info(
            "{}: snapshot {} is of an earlier version, which did not tell groups apart. New ones of group {} go to {}; "
            "once they are there, and no other group uses {}, it can be deleted",
            ToString(partition), path.string(), options_.group, own, path.parent_path().string());
      }
      if (snapshot.ok()) return snapshot;
      skip(std::string(snapshot.status().message()));
    }
  }
  return absl::NotFoundError("there is no snapshot in " + own);
}

void LocalSnapshots::Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) {
  Post([=, this] {
    auto writing = std::make_unique<Writing>(identity);
    writing->tenure = tenure;
    writing->save = save;
    writing->status = Open(writing.get());
    writing_[identity.partition] = std::move(writing);
  });
}

absl::Status LocalSnapshots::Open(Writing* writing) {
  const std::string folder = FolderOf(writing->identity.partition, writing->identity.cluster_id);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("making ", folder, ": ", error.message()));
  for (const fs::path& left : FilesOf(folder, kUnfinished)) unlink(left.c_str());  // of a crash
  char name[48];  // a log that was accepted as a new one sorts behind the old one
  std::snprintf(name, sizeof name, "%06lld-%020lld", static_cast<long long>(writing->identity.log_epoch),
                static_cast<long long>(writing->identity.position.offset));
  writing->path = folder + "/" + name + kSuffix;
  writing->fd = open((writing->path + kUnfinished).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  return writing->fd < 0 ? Failed("making", writing->path + kUnfinished) : absl::OkStatus();
}

void LocalSnapshots::Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) {
  Post([this, partition, tenure, save, bytes = std::move(bytes)] {
    const auto at = writing_.find(partition);
    if (at == writing_.end() || at->second->tenure != tenure || at->second->save != save || !at->second->status.ok())
      return;
    at->second->Write(at->second->encoder.Append(bytes));
  });
}

void LocalSnapshots::Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  Post([=, this] {
    const auto at = writing_.find(partition);
    if (at == writing_.end() || at->second->tenure != tenure || at->second->save != save) return;
    const std::unique_ptr<Writing> writing = std::move(at->second);
    writing_.erase(at);
    const absl::Status status = Close(writing.get());
    if (!status.ok()) logger_->error("{}: no snapshot: {}", ToString(partition), std::string(status.message()));
    absl::StatusOr<SavedSnapshot> saved = SavedSnapshot{.bytes = writing->bytes};
    if (!status.ok()) saved = status;
    listener_->OnSnapshotSaved(partition, tenure, save, std::move(saved));
  });
}

absl::Status LocalSnapshots::Close(Writing* writing) {
  if (writing->status.ok()) writing->Write(writing->encoder.Finish());
  if (!writing->status.ok()) return writing->status;
  const std::string unfinished = writing->path + kUnfinished;
  if (fsync(writing->fd) != 0) return Failed("syncing", unfinished);
  if (rename(unfinished.c_str(), writing->path.c_str()) != 0) return Failed("renaming", unfinished);
  close(writing->fd);
  writing->fd = -1;
  const std::string folder = FolderOf(writing->identity.partition, writing->identity.cluster_id);
  if (absl::Status synced = SyncDirectory(folder); !synced.ok()) return synced;
  RemoveOld(folder);
  return absl::OkStatus();
}

void LocalSnapshots::RemoveOld(const std::string& folder) {
  const std::vector<fs::path> files = FilesOf(folder, kSuffix);
  for (size_t i = kKept; i < files.size(); ++i) unlink(files[i].c_str());
}

void LocalSnapshots::Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  Post([=, this] {
    const auto at = writing_.find(partition);
    if (at != writing_.end() && at->second->tenure == tenure && at->second->save == save) writing_.erase(at);
  });
}

}  // namespace runledger::ingest
