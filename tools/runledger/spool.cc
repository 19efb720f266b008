#include "tools/runledger/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "codecs/hash.h"
#include "codecs/wire.h"
#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

constexpr char kMagic[] = "RLSPOOL1";
constexpr size_t kMagicBytes = sizeof kMagic - 1;
constexpr char kLockName[] = "lock";
constexpr char kSuffix[] = ".events";
constexpr size_t kDigits = 12;
constexpr int64_t kBlock = 4'096;
constexpr int64_t kReserve = int64_t{64} << 10;  // at a time, so that the files are not added up for each event
constexpr std::chrono::seconds kLockPatience{10};

constexpr uint32_t kBrokersField = 1, kTopicField = 2, kPartitionerField = 3, kContentTypeField = 4;
constexpr uint32_t kKeyField = 1, kValueField = 2;

// In front of a body. The size has a check of its own: else a damaged one would look like a write that was cut short.
struct RecordHead {
  uint32_t size = 0;
  uint32_t size_check = 0;
  uint64_t checksum = 0;

  friend bool operator==(const RecordHead&, const RecordHead&) = default;
};
constexpr size_t kHeadBytes = 16;
static_assert(sizeof(RecordHead) == kHeadBytes);

uint32_t SizeCheck(uint32_t size) {
  char bytes[sizeof size];
  std::memcpy(bytes, &size, sizeof size);  // little endian, as the machines we build for
  return static_cast<uint32_t>(codecs::Hash64({bytes, sizeof bytes}));
}

RecordHead HeadOf(std::string_view body) {
  const auto size = static_cast<uint32_t>(body.size());
  return {size, SizeCheck(size), codecs::Hash64(body, size)};
}

absl::Status Failed(std::string_view what, const std::string& path) {
  return absl::UnavailableError(std::string(what) + " " + path + ": " + std::strerror(errno));
}

int64_t InBlocks(int64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

bool IsEventsFile(std::string_view name) {
  return name.size() == kDigits + sizeof kSuffix - 1 && name.ends_with(kSuffix) &&
         name.find_first_not_of("0123456789") == kDigits;
}

// Of any file that was once one with events; 0: of none.
int64_t NumberOf(const std::string& name) {
  return name.size() > kDigits && name.find_first_not_of("0123456789") == kDigits
             ? std::strtoll(name.substr(0, kDigits).c_str(), nullptr, 10)
             : 0;
}

std::string_view PartitionerName(kafka::Partitioner partitioner) {
  return partitioner == kafka::Partitioner::kMurmur2 ? "murmur2"
         : partitioner == kafka::Partitioner::kCrc32 ? "crc32"
                                                     : "none";
}

// mkdir -p; what is made is ours alone, and durable.
absl::Status MakeDirectories(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  const size_t slash = path.find_last_of('/');
  if (errno != ENOENT || slash == path.npos || slash == 0) return Failed("making", path);
  const std::string parent = path.substr(0, slash);
  if (absl::Status made = MakeDirectories(parent); !made.ok()) return made;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("making", path);
  const OwnedFd fd(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.ok() && fsync(fd.get()) == 0 ? absl::OkStatus() : Failed("syncing", parent);
}

}  // namespace

Spool::Spool(std::string directory, int64_t max_bytes) : path_(std::move(directory)), max_bytes_(max_bytes) {}

absl::Status Spool::Open(bool make) {
  if (directory_.ok()) return absl::OkStatus();
  if (make) {
    if (absl::Status made = MakeDirectories(path_); !made.ok()) return made;
  }
  const auto may_not = [this](const std::string& why) {
    return absl::FailedPreconditionError("spool.dir " + path_ + " is not used: " + why);
  };
  OwnedFd fd(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) {
    struct stat entry;
    if (errno == ENOENT) return absl::NotFoundError("there is no " + path_);
    if (errno == ENOTDIR && lstat(path_.c_str(), &entry) == 0 && S_ISLNK(entry.st_mode))
      return may_not("it is a symbolic link");
    return Failed("opening spool.dir", path_);
  }
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return Failed("looking at spool.dir", path_);
  if (status.st_uid != geteuid()) {
    return may_not("it belongs to user " + std::to_string(status.st_uid) + ", not to " + std::to_string(geteuid()) +
                   " who runs this");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return may_not("others may write there; `chmod 700` mends that");
  directory_ = std::move(fd);
  return absl::OkStatus();
}

absl::StatusOr<OwnedFd> Spool::Lock() const {
  OwnedFd fd(openat(directory_.get(), kLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.ok()) return Failed("opening", path_ + "/" + kLockName);
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Failed("locking", path_ + "/" + kLockName);
    if (std::chrono::steady_clock::now() > deadline)
      return absl::UnavailableError("another process has held the lock of " + path_ + " for too long");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fd;
}

absl::StatusOr<Spool::Listing> Spool::List() const {
  // A descriptor of its own: a directory stream has a position.
  const int fd = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const stream = fd < 0 ? nullptr : fdopendir(fd);
  if (stream == nullptr) return Failed("reading", path_);
  Listing listing;
  while (const dirent* const entry = readdir(stream)) {
    const std::string name = entry->d_name;
    struct stat status;
    if (NumberOf(name) == 0 || fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(status.st_mode)) listing.bytes += InBlocks(status.st_size);
    (IsEventsFile(name) ? listing.waiting : listing.set_aside)
        .push_back({name, status.st_size, status.st_ino,
                    int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec});
  }
  closedir(stream);
  std::sort(listing.waiting.begin(), listing.waiting.end(),
            [](const File& a, const File& b) { return a.name < b.name; });
  return listing;
}

absl::StatusOr<int64_t> Spool::Reserve(int fd, int64_t size, int64_t wanted) const {
  const auto lock = Lock();
  if (!lock.ok()) return lock.status();
  const auto listing = List();
  if (!listing.ok()) return listing.status();
  const int64_t taken = listing->bytes - InBlocks(size);
  int64_t enlarged = InBlocks(std::max(size + wanted, size + kReserve));
  if (taken + enlarged > max_bytes_) enlarged = InBlocks(size + wanted);
  if (taken + enlarged > max_bytes_) {
    return absl::FailedPreconditionError("the spool " + path_ + " is full: its files take " +
                                         FormatSize(listing->bytes) + " of " + FormatSize(max_bytes_) +
                                         " (spool.max_bytes)");
  }
  if (ftruncate(fd, enlarged) != 0) return Failed("enlarging a file in", path_);
  return enlarged;
}

absl::StatusOr<std::unique_ptr<SpoolWriter>> Spool::Begin(const SpoolTarget& target) {
  if (absl::Status opened = Open(true); !opened.ok()) return opened;
  std::unique_ptr<SpoolWriter> writer;
  {
    const auto lock = Lock();
    if (!lock.ok()) return lock.status();
    const auto listing = List();
    if (!listing.ok()) return listing.status();
    int64_t last = 0;
    for (const auto* files : {&listing->waiting, &listing->set_aside}) {
      for (const File& file : *files) last = std::max(last, NumberOf(file.name));
    }
    char name[32];
    std::snprintf(name, sizeof name, "%012lld%s", static_cast<long long>(last + 1), kSuffix);
    OwnedFd fd(openat(directory_.get(), name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.ok()) return Failed("making", path_ + "/" + name);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return Failed("locking", path_ + "/" + name);
    writer.reset(new SpoolWriter(this, name, std::move(fd)));
  }
  std::string body;
  codecs::WireWriter fields(&body);
  fields.Bytes(kBrokersField, target.brokers);
  fields.Bytes(kTopicField, target.topic);
  fields.Bytes(kPartitionerField, PartitionerName(target.partitioner));
  fields.Bytes(kContentTypeField, target.content_type);
  absl::Status written = writer->Write(body);
  if (written.ok() && fsync(directory_.get()) != 0) written = Failed("syncing", path_);
  if (!written.ok()) {
    writer->Remove();
    return written;
  }
  return writer;
}

absl::StatusOr<std::unique_ptr<SpoolReader>> Spool::Look(const std::string& name) const {
  OwnedFd fd(openat(directory_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (!fd.ok() && errno == ENOENT) return std::unique_ptr<SpoolReader>();
  if (!fd.ok() || fstat(fd.get(), &status) != 0) return Failed("opening", path_ + "/" + name);
  if (!S_ISREG(status.st_mode)) return absl::FailedPreconditionError(path_ + "/" + name + " is no file");
  return std::unique_ptr<SpoolReader>(new SpoolReader(this, name, std::move(fd), status.st_size));
}

absl::StatusOr<std::unique_ptr<SpoolReader>> Spool::Take(const std::string& name) {
  // Under the directory's lock: one that is being begun is not locked yet.
  const auto lock = Lock();
  if (!lock.ok()) return lock.status();
  OwnedFd fd(openat(directory_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.ok() && errno == ENOENT) return std::unique_ptr<SpoolReader>();
  if (!fd.ok()) return Failed("opening", path_ + "/" + name);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::unique_ptr<SpoolReader>();
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return Failed("looking at", path_ + "/" + name);
  if (status.st_nlink == 0) return std::unique_ptr<SpoolReader>();  // sent by somebody else meanwhile
  if (!S_ISREG(status.st_mode)) return absl::FailedPreconditionError(path_ + "/" + name + " is no file");
  return std::unique_ptr<SpoolReader>(new SpoolReader(this, name, std::move(fd), status.st_size));
}

SpoolWriter::SpoolWriter(const Spool* spool, std::string name, OwnedFd fd)
    : spool_(spool), name_(std::move(name)), fd_(std::move(fd)) {}

absl::Status SpoolWriter::Append(const SpooledMessage& message) {
  std::string body;
  body.reserve(message.key.size() + message.value.size() + 16);
  codecs::WireWriter fields(&body);
  fields.Bytes(kKeyField, message.key);
  fields.Bytes(kValueField, message.value);
  return Write(body);
}

absl::Status SpoolWriter::Write(std::string_view body) {
  if (!fd_.ok()) return absl::FailedPreconditionError("the file is closed");
  std::string record;
  const RecordHead head = HeadOf(body);
  record.reserve(kMagicBytes + kHeadBytes + body.size());
  if (end_ == 0) record.append(kMagic, kMagicBytes);
  record.append(reinterpret_cast<const char*>(&head), kHeadBytes);
  record.append(body);
  const auto needed = static_cast<int64_t>(record.size());
  if (end_ + needed > reserved_) {
    const auto reserved = spool_->Reserve(fd_.get(), reserved_, end_ + needed - reserved_);
    if (!reserved.ok()) return reserved.status();
    reserved_ = *reserved;
  }
  synced_ = false;
  if (absl::Status written = WriteAt(record); !written.ok()) {
    // Nothing of it may be taken for damage later.
    if (ftruncate(fd_.get(), end_) == 0) reserved_ = end_;
    return written;
  }
  end_ += needed;
  return absl::OkStatus();
}

absl::Status SpoolWriter::WriteAt(std::string_view bytes) {
  for (int64_t at = end_; !bytes.empty();) {
    const ssize_t written = pwrite(fd_.get(), bytes.data(), bytes.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("writing", spool_->path_ + "/" + name_);
    at += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SpoolWriter::Sync() {
  if (synced_) return absl::OkStatus();
  if (!fd_.ok() || fdatasync(fd_.get()) != 0) return Failed("syncing", spool_->path_ + "/" + name_);
  synced_ = true;
  return absl::OkStatus();
}

void SpoolWriter::Remove() {
  if (fd_.ok()) unlinkat(spool_->directory_.get(), name_.c_str(), 0);
  fd_.reset();
}

void SpoolWriter::Close() {
  // What is reserved and not used stays until the file is sent where this fails.
  if (fd_.ok() && ftruncate(fd_.get(), end_) == 0) reserved_ = end_;
  fd_.reset();
}

SpoolReader::SpoolReader(const Spool* spool, std::string name, OwnedFd fd, int64_t size)
    : spool_(spool), name_(std::move(name)), fd_(std::move(fd)), size_(size) {
  ReadTarget();
}

void SpoolReader::ReadTarget() {
  char magic[kMagicBytes] = {};
  ended_ = !Read(magic, std::min<size_t>(kMagicBytes, static_cast<size_t>(size_)));
  const bool empty = std::all_of(magic, magic + kMagicBytes, [](char c) { return c == 0; });
  if (ended_) return;
  if (size_ < static_cast<int64_t>(kMagicBytes) || empty) {
    ended_ = true;  // cut short, or synced before it was written
    if (std::memcmp(magic, kMagic, static_cast<size_t>(at_)) != 0 && !empty)
      damage_ = "it does not begin as a spool file";
    return;
  }
  if (std::memcmp(magic, kMagic, kMagicBytes) != 0) {
    ended_ = true;
    damage_ = "it does not begin as a spool file of this version";
    return;
  }
  if (!ReadBody()) return;
  codecs::WireReader fields(body_);
  std::string partitioner;
  while (fields.Next()) {
    if (fields.type() != codecs::WireType::kBytes) continue;
    if (fields.field() == kBrokersField) target_.brokers = fields.bytes();
    if (fields.field() == kTopicField) target_.topic = fields.bytes();
    if (fields.field() == kPartitionerField) partitioner = fields.bytes();
    if (fields.field() == kContentTypeField) target_.content_type = fields.bytes();
  }
  target_.partitioner = partitioner == "murmur2" ? kafka::Partitioner::kMurmur2
                        : partitioner == "crc32" ? kafka::Partitioner::kCrc32
                                                 : kafka::Partitioner::kNone;
}

bool SpoolReader::Next(SpooledMessage* message) {
  if (ended_ || !ReadBody()) return false;
  *message = {};
  codecs::WireReader fields(body_);
  while (fields.Next()) {
    if (fields.type() != codecs::WireType::kBytes) continue;
    if (fields.field() == kKeyField) message->key = fields.bytes();
    if (fields.field() == kValueField) message->value = fields.bytes();
  }
  return true;
}

bool SpoolReader::ReadBody() {
  const auto damaged = [this](int64_t at, const char* what) {
    damage_ = absl::StrCat(what, " at byte ", at);
    ended_ = true;
    return false;
  };
  const int64_t start = at_;
  RecordHead head;
  if (size_ - at_ < static_cast<int64_t>(kHeadBytes)) return !(ended_ = true);
  if (!Read(&head, kHeadBytes)) return false;
  if (head == RecordHead()) return !(ended_ = true);
  if (head.size_check != SizeCheck(head.size)) return damaged(start, "a record without size");
  if (head.size > size_ - at_) return !(ended_ = true);  // cut short
  body_.resize(head.size);
  if (!Read(body_.data(), body_.size())) return false;
  if (head != HeadOf(body_)) return damaged(start, "a record with a wrong checksum");
  return true;
}

bool SpoolReader::Read(void* to, size_t size) {
  auto* out = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = pread(fd_.get(), out, size, at_);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      damage_ = got < 0 ? std::string("it cannot be read: ") + std::strerror(errno) : "it became shorter";
      ended_ = true;
      return false;
    }
    out += got;
    at_ += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

absl::Status SpoolReader::Remove() {
  if (unlinkat(spool_->directory_.get(), name_.c_str(), 0) == 0) return absl::OkStatus();
  return Failed("removing", spool_->path_ + "/" + name_);
}

absl::Status SpoolReader::SetAside(std::string_view why) {
  const std::string aside = name_ + "." + std::string(why);
  if (renameat(spool_->directory_.get(), name_.c_str(), spool_->directory_.get(), aside.c_str()) == 0)
    return absl::OkStatus();
  return Failed("renaming", spool_->path_ + "/" + name_);
}

}  // namespace runledger::tools
