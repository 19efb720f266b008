#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exporters/bigquery/credentials.h"

namespace runledger::exporters {

// Section `warehouse` of the configuration, where its kind is bigquery.
struct BigQueryOptions {
  std::string project;  // warehouse.project
  std::string dataset;  // warehouse.dataset
  // Where the Storage Write API and the REST API are. http:// is without TLS and without credentials.
  std::string endpoint = "https://bigquerystorage.googleapis.com";  // warehouse.endpoint
  std::string rest_endpoint = "https://bigquery.googleapis.com";    // warehouse.rest_endpoint
  std::string ca_file;                                              // warehouse.ca_file: PEM; empty: the usual roots
  std::string location;                                             // warehouse.location: of queries; empty: not said
  // For https:// endpoints; nullptr where there are none.
  std::shared_ptr<TokenSource> credentials;

  size_t request_bytes = size_t{9} << 20;  // warehouse.request_bytes
  int64_t retry_us = 100'000;
  int64_t retry_max_us = 30'000'000;
  int64_t answer_timeout_us = 120'000'000;
  int64_t slow_us = 15'000'000;  // an answer that takes longer is told
  int threads = 1;               // that make rows of events
  std::vector<std::string> secrets;

  std::function<int64_t()> now_us;  // wall clock, for ingested_at and ingest_date
  // What is wrong with the warehouse now; empty: nothing any more. Called from the sink's threads; must not block.
  std::function<void(const std::string&)> on_problem;

  // Requests whose answers do not come: which table, stream and partition, for how long and since when. At most a line
  // every `slow_pause_us`. Optional; otherwise as on_problem.
  std::function<void(const std::string&)> on_slow;
  int64_t slow_pause_us = 5'000'000;

  std::string table() const { return "projects/" + project + "/datasets/" + dataset + "/tables/events"; }
};

inline bool IsPlainEndpoint(const std::string& endpoint) { return endpoint.rfind("http://", 0) == 0; }

}  // namespace runledger::exporters
