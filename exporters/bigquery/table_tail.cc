#include "exporters/bigquery/table_tail.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/http_fetch/http_fetch.h"

namespace runledger::exporters {
namespace {

using nlohmann::json;

constexpr int kPolls = 60;  // of a query that takes long
constexpr int kPollMs = 5'000;

json Parameter(const char* name, const char* type, std::string value) {
  return {{"name", name}, {"parameterType", {{"type", type}}}, {"parameterValue", {{"value", std::move(value)}}}};
}

json QueryOf(const BigQueryOptions& options, const StreamApi::TailQuery& query) {
  std::string sql = absl::StrCat("SELECT `offset`, batch_index FROM `", options.project, "`.`", options.dataset,
                                 "`.events WHERE topic = @topic AND `partition` = @partition AND log_epoch = @epoch "
                                 "AND (`offset` > @offset OR (`offset` = @offset AND batch_index >= @index))");
  json parameters = json::array({Parameter("topic", "STRING", query.partition.topic),
                                 Parameter("partition", "INT64", std::to_string(query.partition.partition)),
                                 Parameter("epoch", "INT64", std::to_string(query.log_epoch)),
                                 Parameter("offset", "INT64", std::to_string(query.from.offset)),
                                 Parameter("index", "INT64", std::to_string(query.from.index))});
  if (query.since_us != INT64_MIN) {
    sql += " AND ingest_date >= @since";
    parameters.push_back(Parameter("since", "DATE", codecs::FormatDate(codecs::DayOf(query.since_us))));
  }
  sql += " ORDER BY `offset` DESC, batch_index DESC LIMIT 1";
  json body = {
      {"query", sql},           {"useLegacySql", false}, {"parameterMode", "NAMED"}, {"queryParameters", parameters},
      {"useQueryCache", false}, {"timeoutMs", kPollMs}};
  if (!options.location.empty()) body["location"] = options.location;
  return body;
}

absl::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

absl::StatusOr<json> Ask(const BigQueryOptions& options, HttpFetch request) {
  request.ca_file = options.ca_file;
  request.timeout = std::chrono::milliseconds(3 * kPollMs);
  request.headers.emplace_back("Content-Type", "application/json");
  if (!IsPlainEndpoint(options.rest_endpoint) && options.credentials != nullptr) {
    const absl::StatusOr<std::string> token = options.credentials->Token(kRestAudience);
    if (!token.ok()) return token.status();
    request.headers.emplace_back("Authorization", absl::StrCat("Bearer ", *token));
  }
  const absl::StatusOr<HttpFetched> fetched = Fetch(request);
  if (!fetched.ok()) return fetched.status();
  json answer = json::parse(fetched->body, nullptr, /*allow_exceptions=*/false);
  if (fetched->status == 200 && answer.is_object()) return answer;
  std::string text = absl::StrCat("HTTP status ", fetched->status);
  if (answer.is_object() && answer.contains("error") && answer["error"].is_object() &&
      answer["error"].contains("message") && answer["error"]["message"].is_string())
    absl::StrAppend(&text, ": ", answer["error"]["message"].get<std::string>());
  return absl::Status(fetched->status == 200 ? absl::StatusCode::kUnavailable : CodeOf(fetched->status), text);
}

// The i-th value of the first row, an INT64 as text.
std::optional<int64_t> Integer(const json& answer, size_t i) {
  const json::json_pointer at("/rows/0/f/" + std::to_string(i) + "/v");
  if (!answer.contains(at) || !answer[at].is_string()) return std::nullopt;
  const auto& text = answer[at].get_ref<const std::string&>();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<std::optional<ingest::Position>> ReadTableTail(const BigQueryOptions& options,
                                                              const StreamApi::TailQuery& query,
                                                              const std::atomic<bool>& stop) {
  const std::string queries =
      absl::StrCat(options.rest_endpoint, "/bigquery/v2/projects/", UrlEncoded(options.project), "/queries");
  HttpFetch request;
  request.method = "POST";
  request.url = queries;
  request.body = QueryOf(options, query).dump();
  absl::StatusOr<json> answer = Ask(options, std::move(request));
  for (int poll = 0; answer.ok() && answer->value("jobComplete", json()) != true; ++poll) {
    if (stop) return absl::CancelledError("stopped");
    const json::json_pointer job("/jobReference/jobId");
    if (poll == kPolls || !answer->contains(job) || !(*answer)[job].is_string())
      return absl::UnavailableError("the query does not end");
    HttpFetch next;
    next.url = absl::StrCat(queries, "/", UrlEncoded((*answer)[job].get<std::string>()), "?timeoutMs=", kPollMs);
    const json::json_pointer location("/jobReference/location");
    if (answer->contains(location) && (*answer)[location].is_string())
      absl::StrAppend(&next.url, "&location=", UrlEncoded((*answer)[location].get<std::string>()));
    answer = Ask(options, std::move(next));
  }
  if (!answer.ok()) return answer.status();
  if (!answer->contains("rows") || (*answer)["rows"].empty()) return std::optional<ingest::Position>();
  const std::optional<int64_t> offset = Integer(*answer, 0);
  const std::optional<int64_t> index = Integer(*answer, 1);
  if (!offset || !index) return absl::UnavailableError("the query's answer is not understood");
  return std::optional(ingest::Position{*offset, static_cast<int32_t>(*index)});
}

}  // namespace runledger::exporters
