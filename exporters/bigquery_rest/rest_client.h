#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "exporters/bigquery/credentials.h"
#include "exporters/bigquery_rest/bigquery_place.h"

namespace runledger::exporters {

using Json = nlohmann::json;

// BigQuery's REST API v2 (cloud.google.com/bigquery/docs/reference/rest): one call at a time, with retries. Private to
// this folder. One thread. Errors say the address, what was tried and the server's message:
//   NotFound, AlreadyExists, PermissionDenied (also 401), InvalidArgument (the server did not understand us),
//   Unavailable (nobody answers, throttled, or a fault of the server that did not pass)
class RestClient {
 public:
  // `tokens` may be null: then nothing is sent with the requests. Must outlive the client.
  RestClient(const BigQueryPlace& place, TokenSource* tokens) : place_(place), tokens_(tokens) {}

  // `path` begins behind the project, with a slash. Requests that are sent twice must do no harm.
  absl::StatusOr<Json> Get(const std::string& path) { return Call("GET", path, nullptr); }
  absl::StatusOr<Json> Post(const std::string& path, const Json& body) { return Call("POST", path, &body); }
  absl::StatusOr<Json> Put(const std::string& path, const Json& body) { return Call("PUT", path, &body); }
  absl::StatusOr<Json> Patch(const std::string& path, const Json& body) { return Call("PATCH", path, &body); }
  // Nothing: the server has no such thing.
  absl::StatusOr<std::optional<Json>> Find(const std::string& path);

  struct Parameter {
    std::string name;
    std::string type;  // INT64, STRING, ...
    std::string value;
  };
  // Runs the query and hands its rows to `take`, page by page: each is the array of cells ("f") with their values
  // ("v"). Times come as microseconds. `describe` is told the result's fields before the first row.
  absl::Status Query(const std::string& sql, const std::vector<Parameter>& parameters,
                     const std::function<absl::Status(const Json& fields)>& describe,
                     const std::function<absl::Status(const Json& cells)>& take);

  const BigQueryPlace& place() const { return place_; }

 private:
  absl::StatusOr<Json> Call(const std::string& method, const std::string& path, const Json* body);
  absl::StatusOr<Json> CallOnce(const std::string& method, const std::string& url, const Json* body);

  const BigQueryPlace& place_;
  TokenSource* const tokens_;
};

}  // namespace runledger::exporters
