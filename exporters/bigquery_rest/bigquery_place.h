#pragma once

#include <map>
#include <string>

namespace runledger::exporters {

inline constexpr char kBigQueryEndpoint[] = "https://bigquery.googleapis.com";

// Where the warehouse is in BigQuery. Configuration section `warehouse`.
struct BigQueryPlace {
  std::string project;
  std::string dataset;                       // of the table `events` and the functions
  std::map<std::string, std::string> views;  // view -> the dataset that it stands in; one that is not named: `dataset`
  std::string location;                      // of datasets that are made; empty: the service's choice
  int expiry_days = 90;                      // of partitions after their day; 0: never
  std::string endpoint = kBigQueryEndpoint;  // of REST, without a trailing slash; http:// = no TLS, no credentials
  std::string ca_file;                       // PEM; empty: the system's roots

  std::string DatasetOf(const std::string& view) const {
    const auto at = views.find(view);
    return at == views.end() ? dataset : at->second;
  }
};

}  // namespace runledger::exporters
