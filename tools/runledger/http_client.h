#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace runledger::tools {

// Where a running instance answers.
struct InstanceAddress {
  std::string url = "http://127.0.0.1:9464";  // without a trailing slash
  std::string ca_file;                        // for https with a private authority
  std::string user;
  std::string password;
  std::string token;
  int timeout_s = 10;
};

struct HttpReply {
  int status = 0;
  std::string body;
};

// GET url + path. Unavailable: nobody answers there. Any status that a server sends is a reply.
absl::StatusOr<HttpReply> HttpGet(const InstanceAddress& instance, const std::string& path);

}  // namespace runledger::tools
