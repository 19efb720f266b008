#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace runledger::exporters {

struct ListenSocket {
  int fd = -1;  // non-blocking; the caller's to close
  uint16_t port = 0;
  std::string address;  // "127.0.0.1:9464", "[::1]:9464"
};

// "host:port": a name or number, "[::1]:9464", or nothing or * before the colon for every address.
bool IsListenAddress(const std::string& address);

// Listens on such an address. Port 0: a free one. InvalidArgument: it is no address. Unavailable: it cannot be had now.
// Both name the setting http.listen.
absl::StatusOr<ListenSocket> Listen(const std::string& address);

}  // namespace runledger::exporters
