#include "tools/runledger/http_client.h"

#include <chrono>

#include "absl/status/status.h"
#include "exporters/http_fetch/http_fetch.h"

namespace runledger::tools {

absl::StatusOr<HttpReply> HttpGet(const InstanceAddress& instance, const std::string& path) {
  exporters::HttpFetch request;
  request.url = instance.url + path;
  request.ca_file = instance.ca_file;
  request.timeout = std::chrono::seconds(instance.timeout_s);
  if (!instance.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + instance.token);
  } else {
    request.user = instance.user;
    request.password = instance.password;
  }
  auto fetched = exporters::Fetch(request);
  if (absl::IsUnavailable(fetched.status())) {
    return absl::UnavailableError("no running instance answers at " + instance.url + ": " +
                                  std::string(fetched.status().message()) +
                                  ". Is `runledger serve` running, and is --url its address?");
  }
  if (!fetched.ok()) return fetched.status();
  return HttpReply{fetched->status, std::move(fetched->body)};
}

}  // namespace runledger::tools
