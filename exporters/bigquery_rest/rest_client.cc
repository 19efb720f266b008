#include "exporters/bigquery_rest/rest_client.h"

#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "exporters/http_fetch/http_fetch.h"

namespace runledger::exporters {
namespace {

constexpr int kTries = 5;
constexpr std::chrono::milliseconds kFirstPause{250};
constexpr int kWaitMs = 20'000;  // how long the server may hold an answer back for a query to end
constexpr int kPageRows = 1'000;

// The server's own words.
std::string MessageOf(const Json& body) {
  if (!body.is_object()) return {};
  const auto error = body.find("error");
  if (error == body.end() || !error->is_object()) return {};
  return error->value("message", "");
}

std::string ReasonOf(const Json& body) {
  try {
    return body.at("error").at("errors").at(0).value("reason", "");
  } catch (const Json::exception&) {
    return {};
  }
}

// cloud.google.com/bigquery/docs/error-messages
absl::StatusCode CodeOf(int status, const std::string& reason) {
  if (reason == "rateLimitExceeded" || reason == "backendError" || reason == "jobBackendError" ||
      reason == "jobRateLimitExceeded" || reason == "internalError")
    return absl::StatusCode::kUnavailable;
  if (status == 401 || status == 403) return absl::StatusCode::kPermissionDenied;
  if (status == 404) return absl::StatusCode::kNotFound;
  if (status == 409) return absl::StatusCode::kAlreadyExists;
  if (status == 429 || status >= 500) return absl::StatusCode::kUnavailable;
  return absl::StatusCode::kInvalidArgument;
}

// 16 random bytes as hex: tells a query that is sent again from another one. At most 36 characters.
std::string RequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    char part[9];
    std::snprintf(part, sizeof part, "%08x", static_cast<unsigned>(random()));
    id += part;
  }
  return id;
}

Json QueryBody(const std::string& sql, const std::vector<RestClient::Parameter>& parameters) {
  Json body = {{"query", sql},
               {"useLegacySql", false},
               {"timeoutMs", kWaitMs},
               {"maxResults", kPageRows},
               {"requestId", RequestId()},
               {"formatOptions", {{"useInt64Timestamp", true}}}};
  if (parameters.empty()) return body;
  body["parameterMode"] = "NAMED";
  for (const RestClient::Parameter& parameter : parameters) {
    body["queryParameters"].push_back({{"name", parameter.name},
                                       {"parameterType", {{"type", parameter.type}}},
                                       {"parameterValue", {{"value", parameter.value}}}});
  }
  return body;
}

}  // namespace

absl::StatusOr<Json> RestClient::CallOnce(const std::string& method, const std::string& url, const Json* body) {
  HttpFetch request{.method = method, .url = url, .headers = {}, .body = {}, .ca_file = place_.ca_file};
  request.timeout = std::chrono::seconds(60);
  if (body != nullptr) {
    request.body = body->dump(-1, ' ', false, Json::error_handler_t::replace);
    request.headers.emplace_back("content-type", "application/json");
  }
  if (tokens_ != nullptr) {
    absl::StatusOr<std::string> token = tokens_->Token(kRestAudience);
    if (!token.ok()) return token.status();
    request.headers.emplace_back("authorization", "Bearer " + *token);
  }
  const absl::StatusOr<HttpFetched> fetched = Fetch(request);
  if (absl::StrContains(fetched.status().message(), "HTTP/0.9")) {  // as libcurl takes gRPC's first bytes
    return absl::UnavailableError(absl::StrCat(fetched.status().message(),
                                               "; is it the address of gRPC (warehouse.endpoint)? "
                                               "warehouse.rest_endpoint is that of REST"));
  }
  if (!fetched.ok()) return fetched.status();
  Json answer = Json::parse(fetched->body, nullptr, /*allow_exceptions=*/false);
  if (fetched->status >= 200 && fetched->status < 300) {
    if (answer.is_object()) return answer;
    return absl::UnavailableError(absl::StrCat(url, " answered something that is no JSON object"));
  }
  std::string said = MessageOf(answer);
  if (said.empty()) said = fetched->body.substr(0, 200);
  std::string text = absl::StrCat(method, " ", url.substr(0, url.find('?')), " answered ", fetched->status, ": ", said);
  const absl::StatusCode code = CodeOf(fetched->status, ReasonOf(answer));
  if (code == absl::StatusCode::kPermissionDenied)
    absl::StrAppend(&text, "; grant the account roles/bigquery.dataEditor on the datasets and roles/bigquery.jobUser");
  return absl::Status(code, text);
}

absl::StatusOr<Json> RestClient::Call(const std::string& method, const std::string& path, const Json* body) {
  const std::string url = absl::StrCat(place_.endpoint, "/bigquery/v2/projects/", UrlEncoded(place_.project), path);
  std::minstd_rand random(std::random_device{}());
  std::chrono::milliseconds pause = kFirstPause;
  for (int tried = 1;; ++tried) {
    absl::StatusOr<Json> answer = CallOnce(method, url, body);
    if (answer.ok() || !absl::IsUnavailable(answer.status()) || tried == kTries) return answer;
    std::this_thread::sleep_for(pause / 2 + std::chrono::milliseconds(random() % static_cast<unsigned>(pause.count())));
    pause *= 2;
  }
}

absl::StatusOr<std::optional<Json>> RestClient::Find(const std::string& path) {
  absl::StatusOr<Json> found = Get(path);
  if (found.ok()) return std::optional<Json>(*std::move(found));
  if (absl::IsNotFound(found.status())) return std::optional<Json>();
  return found.status();
}

absl::Status RestClient::Query(const std::string& sql, const std::vector<Parameter>& parameters,
                               const std::function<absl::Status(const Json&)>& describe,
                               const std::function<absl::Status(const Json&)>& take) {
  absl::StatusOr<Json> page = Post("/queries", QueryBody(sql, parameters));
  bool described = false;
  while (true) {
    if (!page.ok()) return page.status();
    // A query that failed while it ran; one that could not be run at all was an error of the request.
    if (page->contains("status") && (*page)["status"].is_object() && (*page)["status"].contains("errorResult")) {
      return absl::InvalidArgumentError(
          absl::StrCat(place_.endpoint, ": query: ", (*page)["status"]["errorResult"].value("message", "failed")));
    }
    const Json schema = page->value("schema", Json::object());
    const bool fields = schema.is_object() && !schema.value("fields", Json::array()).empty();
    // Errors beside a result are warnings.
    if (!fields && page->contains("errors") && !(*page)["errors"].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place_.endpoint, ": query: ", (*page)["errors"].at(0).value("message", "failed")));
    }
    const Json job = page->value("jobReference", Json::object());
    const bool complete = page->value("jobComplete", false);
    if (complete && !described) {
      described = true;
      if (absl::Status status = describe(schema.value("fields", Json::array())); !status.ok()) return status;
    }
    if (complete) {
      for (const Json& row : page->value("rows", Json::array())) {
        if (absl::Status status = take(row.value("f", Json::array())); !status.ok()) return status;
      }
      if (!page->contains("pageToken")) return absl::OkStatus();
    }
    std::string path =
        absl::StrCat("/queries/", UrlEncoded(job.value("jobId", "")), "?formatOptions.useInt64Timestamp=true",
                     "&timeoutMs=", kWaitMs, "&maxResults=", kPageRows);
    if (job.contains("location")) absl::StrAppend(&path, "&location=", UrlEncoded(job["location"].get<std::string>()));
    if (complete) absl::StrAppend(&path, "&pageToken=", UrlEncoded((*page)["pageToken"].get<std::string>()));
    page = Get(path);
  }
}

}  // namespace runledger::exporters
