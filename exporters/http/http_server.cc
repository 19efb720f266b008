#include "exporters/http/http_server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "exporters/http/listen_socket.h"
#include "exporters/http/router.h"

namespace runledger::exporters {
namespace {

// A body that is too large is read on for so long, so that the client, which sends first and reads then, sees the
// answer.
constexpr size_t kExcessBytes = size_t{1} << 20;

// What is kept of a request between its headers and its end. Owned by the connection's context pointer; only the thread
// of the connection touches it.
struct RequestState {
  Router::Match match;
  std::optional<Response> refusal;
  std::string body;
  size_t received = 0;
  bool last_of_connection = false;
};

absl::StatusOr<std::string> ReadFile(const char* setting, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  if (!file || !(content << file.rdbuf())) {
    return absl::InvalidArgumentError(absl::StrCat(setting, ": cannot read '", path, "': ", std::strerror(errno)));
  }
  return content.str();
}

MHD_Result CollectPair(void* to, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Request::Pairs*>(to)->emplace_back(name == nullptr ? "" : name, value == nullptr ? "" : value);
  return MHD_YES;
}

Request::Pairs PairsOf(MHD_Connection* connection, MHD_ValueKind kind) {
  Request::Pairs pairs;
  MHD_get_connection_values(connection, kind, &CollectPair, &pairs);
  return pairs;
}

std::string_view HeaderOf(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? std::string_view() : value;
}

// Decodes names and values of the query; false if one cannot be. Their '+' are blanks already.
bool DecodeQuery(Request::Pairs* query) {
  for (auto& [name, value] : *query) {
    std::optional<std::string> decoded_name = PercentDecode(name);
    std::optional<std::string> decoded_value = PercentDecode(value);
    if (!decoded_name || !decoded_value) return false;
    name = std::move(*decoded_name);
    value = std::move(*decoded_value);
  }
  return true;
}

// The library would decode the whole path before it is split; here each part is decoded on its own.
size_t LeaveEscaped(void*, MHD_Connection*, char* text) { return std::strlen(text); }

void FreeBody(void* body) { delete static_cast<std::string*>(body); }

struct DestroyResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

// Hands the response over; its body is not copied.
MHD_Result Queue(MHD_Connection* connection, Response response, bool last_of_connection) {
  auto body = std::make_unique<std::string>(std::move(response.body));
  const std::unique_ptr<MHD_Response, DestroyResponse> out(
      MHD_create_response_from_buffer_with_free_callback_cls(body->size(), body->data(), &FreeBody, body.get()));
  if (out == nullptr) return MHD_NO;
  body.release();  // the response's now
  const auto add = [&](const char* name, const std::string& value) {
    return MHD_add_response_header(out.get(), name, value.c_str()) == MHD_YES;
  };
  bool added = add("Content-Type", response.content_type) && add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) added = added && add(name.c_str(), value);
  if (last_of_connection) added = added && add("Connection", "close");
  if (!added) return MHD_NO;
  return MHD_queue_response(connection, static_cast<unsigned>(response.status), out.get());
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpOptions the_options, std::vector<Route> routes)
      : options(std::move(the_options)), router(std::move(routes)), credentials(options.auth) {}

  absl::Status Start();
  void Stop(std::chrono::milliseconds grace);

  // What the library calls. Nothing may be thrown through it.
  static MHD_Result RequestCallback(void* self, MHD_Connection* connection, const char* path, const char* method,
                                    const char*, const char* upload, size_t* upload_size, void** context) noexcept;
  static void CompletedCallback(void* self, MHD_Connection*, void** context, MHD_RequestTerminationCode) noexcept;
  static void LogCallback(void* self, const char* format, va_list arguments) noexcept
      __attribute__((format(printf, 2, 0)));

  MHD_Result OnHeaders(MHD_Connection* connection, const char* path, const char* method, RequestState* state);
  static MHD_Result OnBody(std::string_view part, size_t limit, RequestState* state);
  Response Answer(MHD_Connection* connection, const char* path, RequestState* state) const;

  const HttpOptions options;
  const Router router;
  const Credentials credentials;
  std::string cert;
  std::string key;
  ListenSocket socket;
  std::mutex stop_mutex;         // guards daemon once Start() has returned
  MHD_Daemon* daemon = nullptr;  // nullptr: stopped

  std::mutex mutex;  // guards what follows
  std::condition_variable no_requests;
  int requests = 0;  // between their headers and their end
  bool stopping = false;
  std::string last_log;
};

MHD_Result HttpServer::Impl::RequestCallback(void* self, MHD_Connection* connection, const char* path,
                                             const char* method, const char*, const char* upload, size_t* upload_size,
                                             void** context) noexcept {
  auto* impl = static_cast<Impl*>(self);
  try {
    auto* state = static_cast<RequestState*>(*context);
    if (state == nullptr) {
      auto fresh = std::make_unique<RequestState>();
      const std::lock_guard lock(impl->mutex);
      ++impl->requests;
      *context = state = fresh.release();  // CompletedCallback deletes it
      state->last_of_connection = impl->stopping;
    } else if (*upload_size > 0) {
      const std::string_view part(upload, *upload_size);
      *upload_size = 0;
      return OnBody(part, impl->options.max_body_bytes, state);
    } else {
      return Queue(connection, impl->Answer(connection, path, state), state->last_of_connection);
    }
    return impl->OnHeaders(connection, path, method, state);
  } catch (const std::exception&) {
    return MHD_NO;  // memory is short: the connection is closed
  }
}

// Everything but the body is there.
MHD_Result HttpServer::Impl::OnHeaders(MHD_Connection* connection, const char* path, const char* method,
                                       RequestState* state) {
  state->match = router.Find(method, path);
  const bool open = state->match.route != nullptr && state->match.route->open;
  if (!open && !credentials.Accept(HeaderOf(connection, MHD_HTTP_HEADER_AUTHORIZATION))) {
    state->refusal = credentials.Refusal();
  } else if (state->match.route == nullptr) {
    state->refusal = std::move(state->match.refusal);
  }
  const std::string_view length = HeaderOf(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const bool has_body =
      (!length.empty() && length != "0") || !HeaderOf(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING).empty();
  // Before a body nobody wants is sent, and then the connection closes. Without one it stays: see Answer.
  if (state->refusal && has_body) return Queue(connection, std::move(*state->refusal), state->last_of_connection);
  return MHD_YES;
}

MHD_Result HttpServer::Impl::OnBody(std::string_view part, size_t limit, RequestState* state) {
  state->received += part.size();
  if (state->received > limit) {
    state->body.clear();
    return state->received > limit + kExcessBytes ? MHD_NO : MHD_YES;
  }
  state->body.append(part);
  return MHD_YES;
}

// The request is complete.
Response HttpServer::Impl::Answer(MHD_Connection* connection, const char* path, RequestState* state) const {
  if (state->refusal) return std::move(*state->refusal);
  if (state->received > options.max_body_bytes) {
    return Problem(413, absl::StrCat("the body is larger than ", options.max_body_bytes,
                                     " bytes (limits.message_bytes); send it in parts"));
  }
  const Route& route = *state->match.route;
  Request request;
  request.method = route.method;
  request.path = PercentDecode(path).value_or(path);
  request.parameters = std::move(state->match.parameters);
  request.query = PairsOf(connection, MHD_GET_ARGUMENT_KIND);
  request.headers = PairsOf(connection, MHD_HEADER_KIND);
  request.body = std::move(state->body);
  if (!DecodeQuery(&request.query)) {
    return Problem(400, "the query has a '%' that is not followed by two hex digits; write '%25' for '%'");
  }
  try {
    return route.handler(request);
  } catch (const std::exception& error) {
    if (options.log) options.log(absl::StrCat(route.method, " ", route.pattern, " failed: ", error.what()));
    return Problem(500, "the request could not be answered; the log of this instance says why");
  }
}

void HttpServer::Impl::CompletedCallback(void* self, MHD_Connection*, void** context,
                                         MHD_RequestTerminationCode) noexcept {
  auto* impl = static_cast<Impl*>(self);
  if (*context == nullptr) return;
  delete static_cast<RequestState*>(*context);
  *context = nullptr;
  const std::lock_guard lock(impl->mutex);
  if (--impl->requests == 0) impl->no_requests.notify_all();
}

void HttpServer::Impl::LogCallback(void* self, const char* format, va_list arguments) noexcept {
  auto* impl = static_cast<Impl*>(self);
  char text[512];
  std::vsnprintf(text, sizeof(text), format, arguments);
  std::string_view line(text);
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (impl->options.log) impl->options.log(line);
  const std::lock_guard lock(impl->mutex);
  impl->last_log = line;
}

absl::Status HttpServer::Impl::Start() {
  const bool tls = !options.tls_cert_file.empty() || !options.tls_key_file.empty();
  if (tls) {
    if (options.tls_cert_file.empty() || options.tls_key_file.empty()) {
      return absl::InvalidArgumentError("http.tls: give both cert and key, or neither");
    }
    absl::StatusOr<std::string> read_cert = ReadFile("http.tls.cert", options.tls_cert_file);
    if (!read_cert.ok()) return read_cert.status();
    absl::StatusOr<std::string> read_key = ReadFile("http.tls.key", options.tls_key_file);
    if (!read_key.ok()) return read_key.status();
    cert = *std::move(read_cert);
    key = *std::move(read_key);
  }
  absl::StatusOr<ListenSocket> listening = Listen(options.listen);
  if (!listening.ok()) return listening.status();
  socket = *std::move(listening);
  // The library gets a descriptor of its own: it closes it in most places where it fails and leaves it open in others,
  // and to close one that is closed takes it away from another thread.
  const int lent = fcntl(socket.fd, F_DUPFD_CLOEXEC, 0);
  if (lent < 0) {
    const int error = errno;
    close(socket.fd);
    return absl::ResourceExhaustedError(absl::StrCat("http: the server cannot start: ", std::strerror(error)));
  }

  // Not epoll: there the library aborts where it is quiesced while one of its threads leaves the listening socket.
  unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
  if (tls) flags |= MHD_USE_TLS;
  const unsigned threads = std::max(options.threads, 1U);
  const auto number = [](auto value) { return static_cast<std::intptr_t>(value); };
  std::vector<MHD_OptionItem> items = {
      {MHD_OPTION_LISTEN_SOCKET, number(lent), nullptr},
      {MHD_OPTION_CONNECTION_LIMIT, number(std::max(options.max_connections, threads)), nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, number(options.idle_timeout.count()), nullptr},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, number(options.max_header_bytes), nullptr},
      {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<std::intptr_t>(&CompletedCallback), this},
      {MHD_OPTION_UNESCAPE_CALLBACK, reinterpret_cast<std::intptr_t>(&LeaveEscaped), nullptr},
  };
  if (threads > 1) items.push_back({MHD_OPTION_THREAD_POOL_SIZE, number(threads), nullptr});
  if (tls) {
    items.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, cert.data()});
    items.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, key.data()});
    items.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")});
  }
  items.push_back({MHD_OPTION_END, 0, nullptr});
  // The logger first: other options may have something to say.
  MHD_Daemon* started = MHD_start_daemon(flags, 0, nullptr, nullptr, &RequestCallback, this, MHD_OPTION_EXTERNAL_LOGGER,
                                         &LogCallback, this, MHD_OPTION_ARRAY, items.data(), MHD_OPTION_END);
  daemon = started;
  if (daemon != nullptr) return absl::OkStatus();
  shutdown(socket.fd, SHUT_RDWR);  // should the library have left its own open
  close(socket.fd);
  const std::lock_guard lock(mutex);
  return tls ? absl::InvalidArgumentError(absl::StrCat(
                   "http.tls: the certificate and key cannot be used: ", options.tls_cert_file, " and ",
                   options.tls_key_file, " must be PEM, belong together, and need no passphrase: ", last_log))
             : absl::UnavailableError(absl::StrCat("http: the server cannot start: ", last_log));
}

void HttpServer::Impl::Stop(std::chrono::milliseconds grace) {
  const std::lock_guard one_at_a_time(stop_mutex);
  if (daemon == nullptr) return;
  std::unique_lock lock(mutex);
  stopping = true;
  lock.unlock();
  const int listening = MHD_quiesce_daemon(daemon);
  if (listening >= 0)
    shutdown(listening, SHUT_RDWR);  // who comes now is refused at once; closed only when its users are gone
  lock.lock();
  no_requests.wait_for(lock, grace, [this] { return requests == 0; });
  lock.unlock();
  MHD_stop_daemon(daemon);
  if (listening >= 0) close(listening);
  close(socket.fd);
  daemon = nullptr;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpOptions options, std::vector<Route> routes) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(routes));
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Stop(); }

uint16_t HttpServer::port() const { return impl_->socket.port; }
std::string HttpServer::url() const { return (impl_->cert.empty() ? "http://" : "https://") + impl_->socket.address; }
void HttpServer::Stop(std::chrono::milliseconds grace) { impl_->Stop(grace); }

}  // namespace runledger::exporters
