#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codecs/event_decoder.h"
#include "codecs/row.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_heads.h"
#include "exporters/warehouse/sqlite_options.h"
#include "ingest/commit_metadata.h"
#include "ingest/row_batch.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

// The connection that writes: rows, heads, positions, fences and expiry. One thread. Everything but the maintenance
// happens between Begin and Commit or Rollback; a status that is not OK there means that the transaction is lost and
// has to be rolled back. After an error for which NeedsReopening() is true the writer is of no more use.
class SqliteWriter {
 public:
  // Makes or checks the schema. FailedPrecondition: the file has another one.
  static absl::StatusOr<std::unique_ptr<SqliteWriter>> Open(const SqliteOptions& options);

  absl::Status Begin();
  absl::Status Commit();
  void Rollback();

  // What an owner got.
  struct Tenancy {
    absl::Status refused;  // not OK: the partition cannot be opened, and nothing was changed
    int64_t fence = 0;
    ingest::Position position;  // as stored
    bool knew_partition = true;
  };
  // Raises the partition's fence. Where nothing is known of the partition, or its log was accepted as a new one, the
  // committed position is stored.
  absl::StatusOr<Tenancy> RaiseFence(const ingest::TopicPartition& partition, const ingest::Position& committed,
                                     const ingest::CommitMetadata& metadata);
  // Writes the rows and moves the position, if the fence and the stored position are as given; else kFenced or
  // kStopped, with nothing written and the transaction whole. Internal: not the file but this batch is at fault.
  absl::StatusOr<ingest::SubmitResult> Append(const ingest::RowBatch& rows, int64_t fence);

  // Deletes up to `limit` rows that were made before the day, and brings the heads of their runs up to date. How many.
  absl::StatusOr<size_t> Expire(int32_t before_day, size_t limit);
  // Gives free pages back to the file system where there are many; a step. True: there is more to do.
  absl::StatusOr<bool> Shrink();
  // Moves the write-ahead log into the file, where it has grown. Unavailable: a reader keeps it from being used again,
  // and it has reached the limit. Not in a transaction.
  absl::Status Checkpoint();

  // REQUIRES: not in a transaction. 0: as SQLite has it.
  absl::Status SetPageLimit(int64_t pages);

  bool NeedsReopening() const;
  // The file was removed or replaced.
  bool moved() { return database_->moved(); }

 private:
  struct Statements {
    Statement insert;
    Statement position, position_insert, position_open, position_move;
    Statement expired, event_delete;
  };
  // The text of a date column, made anew only when the day changes.
  struct DateText {
    int64_t day = INT64_MIN;
    std::string text;
  };

  SqliteWriter(const SqliteOptions& options, std::unique_ptr<Database> database);
  absl::Status Prepare();
  absl::Status AppendRows(const ingest::RowBatch& rows);
  absl::Status InsertRow();
  std::string_view DateOf(size_t column, int64_t day);

  SqliteOptions options_;
  std::unique_ptr<Database> database_;
  Statements statements_;  // go before the database
  SqliteHeads heads_;
  codecs::EventDecoder decoder_;
  codecs::RowEncoder encoder_;
  codecs::Row row_;
  std::vector<DateText> dates_;  // by column
  int64_t page_size_ = 4096;
  int64_t wal_pages_ = 0;     // of the write-ahead log after the last commit; 0: nothing in it that matters
  int64_t wal_next_restart_;  // at this many bytes readers are waited for
};

}  // namespace runledger::exporters
