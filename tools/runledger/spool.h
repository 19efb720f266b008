#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"
#include "tools/runledger/owned_fd.h"

namespace runledger::tools {

// To which log the events of one spool file go, and how.
struct SpoolTarget {
  std::string brokers;  // bootstrap servers, as they were configured
  std::string topic;
  kafka::Partitioner partitioner = kafka::Partitioner::kMurmur2;
  std::string content_type;

  friend bool operator==(const SpoolTarget&, const SpoolTarget&) = default;
};

// Whether two lists of bootstrap servers name one cluster: they do if they have a server in common.
bool SameCluster(const std::string& brokers, const std::string& others);

// A Kafka message as a spool keeps it. Views into what the reader holds.
struct SpooledMessage {
  std::string_view key;
  std::string_view value;
};

class SpoolReader;
class SpoolWriter;

// A directory in which producers leave events that the log does not take now. Any number of processes of one user share
// it; in this process one thread.
//
// A file is written by one process, which holds a lock (flock) on it as long as it lives, and is taken by one that
// holds that lock, so a file of a process that died is free. Files are numbered in the order in which they were begun.
// Taking, beginning and enlarging a file happen under the lock of the directory's file "lock".
//
//   file     "RLSPOOL1", then records; the first one describes the target
//   record   size of the body (4 bytes, little endian), its check (4), checksum of the body (8, XXH3), body
//            16 zeros are the end: a file that is being written is longer than its records, by what is reserved
//   body     protobuf fields. Target: 1 brokers, 2 topic, 3 partitioner, 4 content type. Event: 1 key, 2 value
//
// So a crash leaves whole records, and behind them nothing, zeros or a record that is not whole, which was never said
// to be durable.
class Spool {
 public:
  // Touches nothing. `max_bytes`: what all files may take together, each in whole blocks of 4 KiB.
  Spool(std::string directory, int64_t max_bytes);

  // Checks the directory; `make`: makes it, 0700, where there is none, else that is NotFound. FailedPrecondition: it
  // may not be used, because it belongs to somebody else, others may write there, or it is a symbolic link.
  absl::Status Open(bool make);

  // Begins a file. Opens and makes the directory where that has not been done. FailedPrecondition names the setting if
  // there is no room.
  absl::StatusOr<std::unique_ptr<SpoolWriter>> Begin(const SpoolTarget& target);

  struct File {
    std::string name;
    int64_t bytes = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
  };
  struct Listing {
    std::vector<File> waiting;    // with events, the oldest first
    std::vector<File> set_aside;  // damaged or refused
    int64_t bytes = 0;            // of all files, in whole blocks
  };
  // REQUIRES: it is open.
  absl::StatusOr<Listing> List() const;

  // Takes a file for this process. nullptr: somebody else has it, or it is gone.
  absl::StatusOr<std::unique_ptr<SpoolReader>> Take(const std::string& name);
  // Opens a file to look at it, whoever has it.
  absl::StatusOr<std::unique_ptr<SpoolReader>> Look(const std::string& name) const;

  const std::string& directory() const { return path_; }

 private:
  friend class SpoolReader;
  friend class SpoolWriter;

  absl::StatusOr<OwnedFd> Lock() const;
  // Makes room for a file that has `size` bytes and needs `wanted` more: enlarges it, and returns its new size.
  absl::StatusOr<int64_t> Reserve(int fd, int64_t size, int64_t wanted) const;

  const std::string path_;
  const int64_t max_bytes_;
  OwnedFd directory_;
};

// A file that this process writes. It outlives neither its spool nor the process: what is closed is for anybody to
// send.
class SpoolWriter {
 public:
  // Writes one event; durable after Sync. FailedPrecondition: there is no room for it, and which setting says so.
  absl::Status Append(const SpooledMessage& message);
  absl::Status Sync();
  int64_t bytes() const { return end_; }
  // All that was appended has been acknowledged by the log, or there is nothing in it.
  void Remove();
  // Gives the file back (as the destructor does).
  void Close();
  ~SpoolWriter() { Close(); }

 private:
  friend class Spool;
  SpoolWriter(const Spool* spool, std::string name, OwnedFd fd);
  absl::Status Write(std::string_view body);
  absl::Status WriteAt(std::string_view bytes);

  const Spool* const spool_;
  const std::string name_;
  OwnedFd fd_;
  int64_t end_ = 0;       // of what was written
  int64_t reserved_ = 0;  // the file's size
  bool synced_ = true;
};

// A file that is being read.
class SpoolReader {
 public:
  // The next event. False at the end, or where nothing more can be read: see damage().
  bool Next(SpooledMessage* message);
  // Why there are bytes that are no events; empty: there are none but those of a write that a crash cut short.
  const std::string& damage() const { return damage_; }
  const SpoolTarget& target() const { return target_; }
  const std::string& name() const { return name_; }

  // All events have been acknowledged by the log.
  absl::Status Remove();
  // Renames the file to <name>.<why>, out of the way of the others. It still takes room.
  absl::Status SetAside(std::string_view why);

 private:
  friend class Spool;
  SpoolReader(const Spool* spool, std::string name, OwnedFd fd, int64_t size);
  void ReadTarget();
  bool ReadBody();
  bool Read(void* to, size_t size);

  const Spool* const spool_;
  const std::string name_;
  OwnedFd fd_;
  int64_t size_ = 0;
  int64_t at_ = 0;
  SpoolTarget target_;
  std::string body_;
  std::string damage_;
  bool ended_ = false;
};

// The directory that spool.dir means: "${XDG_STATE_HOME}" at its beginning stands for that variable, or for
// ~/.local/state where it is not set. Empty: there is none, because it is turned off or no home is known.
std::string SpoolDirectory(const std::string& setting);

}  // namespace runledger::tools
