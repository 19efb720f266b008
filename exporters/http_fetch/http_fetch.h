#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace runledger::exporters {

// One HTTP request of ours to a service.
struct HttpFetch {
  std::string method = "GET";
  std::string url;  // https:// or http://
  std::vector<std::pair<std::string, std::string>> headers;
  std::string user;  // basic authentication; empty: none
  std::string password;
  std::string body;     // of POST, PUT, PATCH
  std::string ca_file;  // PEM; empty: the system's roots
  std::chrono::milliseconds timeout{30'000};
  bool direct = false;  // past any proxy
};

struct HttpFetched {
  int status = 0;
  std::string body;
};

// Blocks until the answer is there. Unavailable: no answer; the text names the URL, and nothing of headers or body. Any
// status that a server sends is an answer. Redirects are not followed: they would carry tokens elsewhere. Any thread.
absl::StatusOr<HttpFetched> Fetch(const HttpFetch& request);

// Percent-encodes one part of a path, a query or a form.
std::string UrlEncoded(const std::string& text);

}  // namespace runledger::exporters
