#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ingest/commit_metadata.h"
#include "ingest/position.h"
#include "ingest/row_batch.h"

namespace runledger::ingest {

// The warehouse's answer to Open.
struct SinkOpened {
  // Not OK: the partition cannot be opened now; Unavailable is tried again, anything else stops its rows.
  absl::Status status;
  // Its stream, stream_base and stream_next_row are to be committed before the first row is submitted.
  CommitMetadata metadata;
  // How far the warehouse already is. Either its own position (rows before it are there), or a number of good events
  // from the committed position on that are there. A warehouse of streams that knows a position alone sets stream_base
  // to kNotCounted (stream_rows.h).
  std::optional<Position> position;
  int64_t rows_to_skip = 0;
  bool knew_partition = true;  // false: the warehouse has never had rows of it
};

// The warehouse's answer to Submit.
struct SubmitResult {
  enum class Kind {
    kDone,     // every row is durable, and so is the position
    kRefused,  // none was written, because of the rows listed; submit again with these replaced
    kStopped,  // none was written, for a reason that is not about single rows; submit again later
    kFenced,   // another owner has opened the partition
  };
  struct Refused {
    size_t row = 0;  // in the batch
    std::string reason;
  };
  Kind kind = Kind::kDone;
  std::vector<Refused> refused;
  absl::Status status;  // why, for kStopped and kFenced
};

// Where a sink's answers go. Called from the sink's threads, in the order of the requests of one partition; must not
// block and must not call back into the sink.
class RowSinkListener {
 public:
  virtual ~RowSinkListener() = default;
  virtual void OnSinkOpened(const TopicPartition& partition, Tenure tenure, SinkOpened opened) = 0;
  virtual void OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission,
                           SubmitResult result) = 0;
};

// A warehouse: takes the good events of the log as rows, each once. Requests return at once; answers come through the
// listener. Any thread may call; calls for one partition come from one thread at a time.
//
// Rows of a partition are written in the order submitted. After an answer that is not kDone everything submitted later
// for that partition is answered kStopped and not written, until it is submitted again from the place of the failure.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Takes ownership of the partition: whoever had it open before cannot write a row that counts any more.
  // `committed`: the committed position, with its metadata.
  virtual void Open(const TopicPartition& partition, Tenure tenure, const Position& committed,
                    const CommitMetadata& metadata) = 0;
  virtual void Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const RowBatch> rows) = 0;
  // Gives the partition up. What was submitted is still answered.
  virtual void Close(const TopicPartition& partition, Tenure tenure) = 0;
};

}  // namespace runledger::ingest
