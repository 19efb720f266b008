#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "exporters/bigquery/bigquery_options.h"
#include "ingest/own_metrics.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

// The warehouse in BigQuery, through its Storage Write API: each partition writes a stream of its own (StreamWriter).
//
// Threads of its own make rows and call the listener, each for some of the partitions; gRPC's carry them. Trouble with
// the service is not answered but waited out, and told (on_problem); what is about the table is answered kStopped.
class BigQuerySink : public ingest::RowSink {
 public:
  // `listener` must outlive the sink, and `metrics` (may be nullptr) too.
  BigQuerySink(BigQueryOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics);
  // As Stop().
  ~BigQuerySink() override;

  // Starts the threads; nothing is asked of the service yet. InvalidArgument: an option is of no use.
  absl::Status Start();
  // Ends the threads. What is not answered by then is answered no more. Idempotent.
  void Stop();

  // REQUIRES, from here on: Start() was called.
  void Open(const ingest::TopicPartition& partition, ingest::Tenure tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) override;
  void Submit(ingest::Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override;
  void Close(const ingest::TopicPartition& partition, ingest::Tenure tenure) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::exporters
