#include "exporters/http/router.h"

#include <optional>
#include <utility>

namespace runledger::exporters {
namespace {

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return segments;
}

bool IsParameter(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// The parameters if the segments fit the pattern.
std::optional<Request::Pairs> Fit(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return std::nullopt;
  Request::Pairs parameters;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (IsParameter(pattern[i])) {
      if (segments[i].empty()) return std::nullopt;
      parameters.emplace_back(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
    } else if (pattern[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

void AddAllowed(const std::string& method, std::string* allow) {
  if (!allow->empty()) *allow += ", ";
  *allow += method;
  if (method == "GET") *allow += ", HEAD";
}

}  // namespace

Router::Router(std::vector<Route> routes) {
  for (Route& route : routes) {
    std::vector<std::string> segments = Split(route.pattern);
    entries_.push_back({std::move(route), std::move(segments)});
  }
}

Router::Match Router::Find(std::string_view method, std::string_view raw_path) const {
  if (raw_path.empty() || raw_path.front() != '/')
    return {.refusal = Problem(400, "the request's path does not begin with a slash")};
  std::vector<std::string> segments = Split(raw_path);
  for (std::string& segment : segments) {
    std::optional<std::string> decoded = PercentDecode(segment);
    if (!decoded)
      return {.refusal =
                  Problem(400, "the path has a '%' that is not followed by two hex digits; write '%25' for '%'")};
    segment = std::move(*decoded);
  }
  if (method == "HEAD") method = "GET";

  std::string allow;
  for (const Entry& entry : entries_) {
    std::optional<Request::Pairs> parameters = Fit(entry.segments, segments);
    if (!parameters) continue;
    if (entry.route.method == method) return {.route = &entry.route, .parameters = std::move(*parameters)};
    AddAllowed(entry.route.method, &allow);
  }
  if (allow.empty())
    return {.refusal = Problem(404, "there is nothing at this path; the page at / names what there is")};
  Response refusal = Problem(405, "this path does not know the method; use one of: " + allow);
  refusal.headers.emplace_back("Allow", allow);
  return {.refusal = std::move(refusal)};
}

}  // namespace runledger::exporters
