#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runledger::exporters {

// A request as handlers see it. Everything is decoded, and copied.
struct Request {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::string method;  // GET for HEAD, too: the server leaves out the body
  std::string path;    // without query, percent-encoding decoded
  Pairs parameters;    // of the route's pattern
  Pairs query;         // in the order given; a name without '=' has an empty value
  Pairs headers;
  std::string body;

  // The value of a {name} of the route's pattern. REQUIRES: it is there.
  const std::string& Parameter(std::string_view name) const;
  // Nothing if it was not given; the first if it was given more than once.
  std::optional<std::string_view> Query(std::string_view name) const;
  // Whatever the case of the name; empty if it was not given.
  std::string_view Header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  Request::Pairs headers = {};
  std::string body = {};
};

// Runs on a thread of the server, of which there are few: it may block, for a bounded time. Several at once.
using Handler = std::function<Response(const Request&)>;

struct Route {
  std::string method;   // GET includes HEAD
  std::string pattern;  // "/api/v1/jobs/{job}"; {name} is one segment and may not be empty
  Handler handler;
  bool open = false;  // needs no credentials
};

// An error as application/problem+json (RFC 7807). `detail` says what was wrong and what to change.
Response Problem(int status, std::string_view detail);
// The same with the further members of an object, or of null.
Response Problem(int status, std::string_view detail, const nlohmann::ordered_json& members);
// "Not Found".
std::string_view StatusText(int status);

// "%2F" and the like decoded; nothing if a '%' is not followed by two hex digits.
std::optional<std::string> PercentDecode(std::string_view text);

}  // namespace runledger::exporters
