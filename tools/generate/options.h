#pragma once

#include <cstdint>
#include <string>

#include "ingest/kafka/types.h"

namespace runledger::tools {

// How much of each packing, as shares of the events; they need not add up to 1.
struct FramingMix {
  double protobuf = 0.2;     // one Event a message, with and without headers
  double batch = 0.6;        // zstd EventBatch of 1 to 200
  double json = 0.08;        // one JSON object
  double json_array = 0.12;  // 1 to 20 in a JSON array
};

// What to generate. Equal options give equal records, byte for byte.
struct GenerateOptions {
  uint64_t seed = 1;
  int64_t events = 10'000;  // good and bad ones together, exactly
  int jobs = 50;            // the first is the busiest (Zipf)
  int32_t partitions = 12;
  kafka::Partitioner partitioner = kafka::Partitioner::kMurmur2;  // of the job name; kNone is refused
  double rate = 0;                                                // events a second; 0: as fast as the sink takes them

  // Event times lie in [start_us, start_us + span_us], microseconds since the epoch. Runs last minutes of that time,
  // so a span of hours that is sent in seconds is compressed; with rate = events / span it passes as it really would.
  int64_t start_us = 1'768'176'000'000'000;  // 2026-01-12T00:00:00Z
  int64_t span_us = int64_t{6} * 3600 * 1'000'000;

  // The topic's timestamps: true: the broker stamps (LogAppendTime), so what lies more than horizon_us before its clock
  // is history; then span_us should end about now. False: CreateTime, stamped with the time at which the event would
  // have been sent.
  bool append_time = true;
  int64_t horizon_us = int64_t{24} * 3600 * 1'000'000;  // state.horizon of the reader

  // Shares of events...
  double bad = 0.001;          // refused whole, every kind in bad_events.h and bad_records.h in turn
  double refused = 0.001;      // good, but with a value that no column can hold
  double duplicates = 0.02;    // sent again
  double disorder = 0.05;      // some seconds behind their successors
  double late = 0.005;         // minutes to hours behind
  double other_bodies = 0.02;  // decisions, expected runs, cleanups, verdicts
  // ... and of runs.
  double backfill = 0.01;     // history: old, and marked as such (LogAppendTime: half of them only old)
  double crashes = 0.01;      // no terminal
  double corrections = 0.01;  // two different terminals
  double retries = 0.3;       // of failed runs
  FramingMix framing;

  std::string topic = "runledger.events";  // named in the ledger
};

}  // namespace runledger::tools
