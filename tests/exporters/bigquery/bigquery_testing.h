#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exporters/bigquery/bigquery_sink.h"
#include "exporters/bigquery/owner.h"
#include "exporters/http/http_server.h"
#include "fakes/bigquery/fake_bigquery.h"
#include "ingest/own_metrics.h"

namespace runledger::exporters {

// A fake service with both its ports, and sinks that use it.
class BigQueryTest : public testing::Test {
 protected:
  BigQueryTest() : BigQueryTest(fakes::FakeBigQuery::Options{}) {}
  explicit BigQueryTest(fakes::FakeBigQuery::Options options);

  BigQueryOptions Options();
  // It answers to `listener`, which must outlive it.
  std::unique_ptr<BigQuerySink> NewSink(ingest::RowSinkListener* listener) { return NewSink(listener, Options()); }
  std::unique_ptr<BigQuerySink> NewSink(ingest::RowSinkListener* listener, BigQueryOptions options);

  // Protobuf run events, of which each `bad`-th (0: none) has an error_message that holds "bad".
  static std::vector<std::string> Events(int64_t count, int64_t bad = 0, size_t padding = 0);
  // The table has each of the first `events` events of partition 0 exactly once, in order within each stream, those of
  // `refused` as cores and no other; and the service was not misused.
  void ExpectEachOnce(int64_t events, const std::map<int64_t, std::string>& refused);
  std::string WaitForProblem(const std::function<bool(const std::string&)>& there);

  const ingest::TopicPartition partition_{"t", 0};
  ingest::OwnMetrics metrics_;
  fakes::FakeBigQuery fake_;
  std::unique_ptr<HttpServer> rest_;

 private:
  std::mutex problems_mutex_;
  std::condition_variable problems_changed_;
  std::string problem_;  // guarded by problems_mutex_
};

}  // namespace runledger::exporters
