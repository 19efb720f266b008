#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "exporters/http/credentials.h"
#include "exporters/http/message.h"

namespace runledger::exporters {

struct HttpOptions {
  std::string listen = "127.0.0.1:9464";  // http.listen: see Listen()
  std::string tls_cert_file = {};         // http.tls.cert: PEM, the chain; empty: no TLS
  std::string tls_key_file = {};          // http.tls.key: PEM
  AuthOptions auth = {};                  // http.auth
  unsigned threads = 4;                   // handlers that run at once
  unsigned max_connections = 256;         // further ones wait to be accepted
  std::chrono::seconds idle_timeout{30};  // of a connection that neither sends nor takes anything
  size_t max_header_bytes = size_t{32} << 10;
  size_t max_body_bytes = size_t{10} << 20;
  // Receives what goes wrong on connections; any thread. Most of it is clients that went away.
  std::function<void(std::string_view)> log = {};
};

// An HTTP/1.1 server: a fixed number of threads over poll, bounded connections, keep-alive, TLS 1.2 and later. It
// knows routes and nothing of what they do. A handler that throws is a 500.
//
// Any thread may call Stop(), which is what the destructor does, too; everything else is unchanging.
class HttpServer {
 public:
  // Listens and serves. InvalidArgument or Unavailable: a setting, named in the text, cannot be used.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpOptions options, std::vector<Route> routes);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // "http://127.0.0.1:9464", with the port that it really has.
  std::string url() const;

  // Accepts no more connections, lets requests that have begun come to their end for as long as `grace`, and closes
  // everything. No handler runs afterwards. Blocks for `grace` and as long as the slowest handler runs; again: nothing.
  void Stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::exporters
