#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "ingest/commit_metadata.h"

namespace runledger::ingest {

// Exactly once by counting, for a warehouse that takes rows as streams (BigQuery's Storage Write API): every good event
// is one row, each owner of a partition writes a stream of its own, and the rows of a stream follow on those of the
// streams before it. So how many rows a finished stream has says which events are written.
//
//   good events from the commit C on:   | stream_base of them | the stream's rows from stream_next_row on | not yet
//                                       | in earlier streams  |                                           |
//
// All of it is in the metadata of C. What follows keeps it true when C advances, and when the partition is taken over.
//
// Where events cannot be counted, stream_base is kNotCounted: the rules by which they were counted are others now, or a
// stream cannot tell any more how many rows it had, and only positions of rows are known. Who takes over then has to
// read from the table which rows from C on are there.
inline constexpr int64_t kNotCounted = -1;

// C moves on by so many good events.
inline void AdvanceStream(int64_t good_events, CommitMetadata* metadata) {
  if (metadata->stream_base < 0) return;
  const int64_t in_earlier = std::min(good_events, metadata->stream_base);
  metadata->stream_base -= in_earlier;
  metadata->stream_next_row += good_events - in_earlier;
}

// How many good events from C on are written, once the stream has been finished and is known to have `rows` rows.
// REQUIRES: they are counted.
inline int64_t WrittenEvents(const CommitMetadata& metadata, int64_t rows) {
  return metadata.stream_base + std::max<int64_t>(rows - metadata.stream_next_row, 0);
}

// The metadata of the successor's stream, which begins empty, behind `written_events` from C on.
inline void BeginStream(std::string stream, int64_t written_events, CommitMetadata* metadata) {
  metadata->stream = std::move(stream);
  metadata->stream_base = written_events;
  metadata->stream_next_row = 0;
}

}  // namespace runledger::ingest
