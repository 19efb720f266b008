#include "exporters/http/listen_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace runledger::exporters {
namespace {

struct HostPort {
  std::string host;  // empty: every address
  std::string port;
};

std::optional<HostPort> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort parsed{address.substr(0, colon), address.substr(colon + 1)};
  if (parsed.port.empty() || parsed.port.size() > 5 ||
      parsed.port.find_first_not_of("0123456789") != std::string::npos || std::stoul(parsed.port) > UINT16_MAX) {
    return std::nullopt;
  }
  std::string& host = parsed.host;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets
  }
  if (host == "*") host.clear();
  return parsed;
}

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};

// A listening socket for one of the addresses that a name stands for; -1 and errno.
int ListenOn(const addrinfo& address) {
  const int fd = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
  if (fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // a restart need not wait for old connections
  if (address.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

ListenSocket Describe(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  char host[INET6_ADDRSTRLEN] = "";
  if (bound.ss_family == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(&bound);
    inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host));
    const uint16_t port = ntohs(address->sin6_port);
    return {fd, port, absl::StrCat("[", host, "]:", port)};
  }
  const auto* address = reinterpret_cast<const sockaddr_in*>(&bound);
  inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
  const uint16_t port = ntohs(address->sin_port);
  return {fd, port, absl::StrCat(host, ":", port)};
}

}  // namespace

bool IsListenAddress(const std::string& address) { return ParseAddress(address).has_value(); }

absl::StatusOr<ListenSocket> Listen(const std::string& address) {
  const std::optional<HostPort> parsed = ParseAddress(address);
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("http.listen: '", address, "' is no address; write host:port, e.g. 127.0.0.1:9464 or [::1]:9464"));
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error =
          getaddrinfo(parsed->host.empty() ? nullptr : parsed->host.c_str(), parsed->port.c_str(), &hints, &found);
      error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("http.listen: the host of '", address, "' is not known: ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);

  // For every address: IPv6 first, whose socket takes IPv4 too; hosts without IPv6 get the other.
  int error = 0;
  for (const bool ipv6 : {true, false}) {
    for (const addrinfo* candidate = found; candidate != nullptr; candidate = candidate->ai_next) {
      const bool wanted = parsed->host.empty() ? (candidate->ai_family == AF_INET6) == ipv6 : ipv6;
      if (!wanted) continue;
      if (const int fd = ListenOn(*candidate); fd >= 0) return Describe(fd);
      if (error == 0 || errno == EADDRINUSE) error = errno;
    }
  }
  const char* hint = error == EADDRINUSE      ? "another process listens there; stop it or choose another port"
                     : error == EACCES        ? "ports below 1024 need a privilege; choose another port"
                     : error == EADDRNOTAVAIL ? "this host does not have the address; choose one of its own"
                                              : "choose another address";
  return absl::UnavailableError(
      absl::StrCat("http.listen: cannot listen on ", address, ": ", std::strerror(error), " (", hint, ")"));
}

}  // namespace runledger::exporters
