#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/bigquery/row_wire.h"
#include "ingest/position.h"

namespace runledger::exporters {

// What went wrong, where the server says more than a code: google.cloud.bigquery.storage.v1.StorageError.
enum class StorageError : uint8_t {
  kNone,          // nothing more is said
  kTable,         // the table is gone, or its columns are not the ones written, or its key is of no use
  kStream,        // the stream is gone, finalised, or of another kind
  kOffsetExists,  // the rows at this offset are there already
  kOffsetGap,     // the offset lies behind the end of the stream
};

struct StreamFailure {
  absl::Status status;  // OK: none
  StorageError error = StorageError::kNone;

  bool ok() const { return status.ok() && error == StorageError::kNone; }
};

// One request's rows.
struct AppendRequest {
  std::string stream;
  int64_t offset = 0;
  std::shared_ptr<const WireBuffer> rows;  // entries as AppendRow writes them
};

// The server's answer to one request.
struct AppendAnswer {
  struct Row {
    int64_t index = 0;  // in the request
    std::string message;
  };
  StreamFailure failure;
  std::optional<int64_t> offset;  // at which the rows were appended
  std::vector<Row> bad_rows;
  // The table has changed; not OK: it does not take these rows any more.
  absl::Status table;
  bool table_changed = false;
};

// What a writer of streams asks of the Storage Write API. Requests return at once. Answers come through StreamAnswers,
// from the thread that calls the writer, and may not come from within a request.
class StreamApi {
 public:
  virtual ~StreamApi() = default;
  virtual void Create(uint64_t call) = 0;
  virtual void Finalise(uint64_t call, const std::string& stream) = 0;
  // Asks the table itself for the last row of the partition and log epoch, at or behind `from`. `since_us`: that row
  // was not written before this time.
  struct TailQuery {
    ingest::TopicPartition partition;
    int64_t log_epoch = 0;
    ingest::Position from;
    int64_t since_us = INT64_MIN;
  };
  virtual void ReadTail(uint64_t call, const TailQuery& query) = 0;

  // A connection to one stream. Requests are answered in order, each once, unless it ends before.
  virtual void Connect(uint64_t connection, const std::string& stream) = 0;
  virtual void Send(uint64_t connection, const AppendRequest& request) = 0;
  // Nothing more is heard of it.
  virtual void Disconnect(uint64_t connection) = 0;
};

class StreamAnswers {
 public:
  virtual ~StreamAnswers() = default;
  // The name of the new stream. FailedPrecondition: the table's columns are not those that are written.
  virtual void OnCreated(uint64_t call, absl::StatusOr<std::string> stream) = 0;
  // How many rows it has; it takes no more.
  virtual void OnFinalised(uint64_t call, StreamFailure failure, int64_t rows) = 0;
  // Where the row stands; nothing: there is none.
  virtual void OnTail(uint64_t call, absl::StatusOr<std::optional<ingest::Position>> last) = 0;
  virtual void OnAnswer(uint64_t connection, AppendAnswer answer) = 0;
  // The connection has ended; nothing more comes from it.
  virtual void OnDisconnected(uint64_t connection, StreamFailure failure) = 0;
};

}  // namespace runledger::exporters
