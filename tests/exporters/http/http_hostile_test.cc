// Clients that are broken, slow, many or malicious: the server refuses them and goes on serving others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "exporters/http/http_client.h"
#include "exporters/http/http_server.h"
#include "exporters/http/raw_client.h"

namespace runledger::exporters {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::unique_ptr<HttpServer> StartServer(HttpOptions options) {
  options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(
      std::move(options),
      {{"GET", "/ok", [](const Request&) { return Response{.body = "ok"}; }},
       {"POST", "/ok", [](const Request& request) { return Response{.body = request.body}; }},
       {"GET", "/big", [](const Request&) { return Response{.body = std::string(50'000'000, 'x')}; }}});
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

void ExpectServes(const HttpServer& server) {
  HttpClient client;
  HttpReply reply;
  // A client that is kept from sending for longer than the idle timeout is rightly hung up on, and may try again.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  do {
    reply = client.Get(server.url() + "/ok");
  } while (reply.status == 0 && std::chrono::steady_clock::now() < end);
  EXPECT_EQ(reply.status, 200) << reply.error;
  EXPECT_EQ(reply.body, "ok");
}

TEST(HostileClients, Rubbish) {
  using namespace std::string_literals;
  const auto server = StartServer({.idle_timeout = std::chrono::seconds(1)});
  const std::string cases[] = {
      "\r\n\r\n\r\n",
      "GET\r\n\r\n",
      "GET /ok\r\n\r\n",
      " GET /ok HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /ok HTTP/9.9\r\nHost: x\r\n\r\n",
      "GET /ok NONSENSE\r\nHost: x\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,  // a TLS hello
      "\0\0\0\0\0\0\r\n\r\n"s,
      "GET /\0ok HTTP/1.1\r\nHost: x\r\n\r\n"s,
      "GET /ok HTTP/1.1\r\nno colon here\r\n\r\n",
      "GET /ok HTTP/1.1\r\n: empty name\r\n\r\n",
      "GET /ok HTTP/1.1\r\n folded: first\r\n\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\nshort",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /ok?%%%=%&&&==&=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
      std::string(100, '\n'),
  };
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const std::string& rubbish : cases) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    clients.back()->Send(rubbish);
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    // Whatever it says, it says it in HTTP or closes; the timeout ends what waits for more.
    EXPECT_THAT(clients[i]->ReadAll(), AnyOf(IsEmpty(), StartsWith("HTTP/1."))) << testing::PrintToString(cases[i]);
  }
  ExpectServes(*server);
}

TEST(HostileClients, RandomBytes) {
  const auto server = StartServer({.idle_timeout = std::chrono::seconds(1)});
  std::mt19937 random(20260112);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 50; ++i) {
    std::string bytes(random() % 5000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (i % 2 == 0) bytes.insert(0, "GET /ok HTTP/1.1\r\n");
    clients.push_back(std::make_unique<RawClient>(server->port()));
    clients.back()->Send(bytes);
  }
  for (const auto& client : clients) client->ReadAll();
  ExpectServes(*server);
}

TEST(HostileClients, TooLargeHeaders) {
  const auto server = StartServer({});
  const struct {
    const char* name;
    std::string request;
  } kCases[] = {
      {"header", "GET /ok HTTP/1.1\r\nHost: x\r\nX-Large: " + std::string(200'000, 'h') + "\r\n\r\n"},
      {"path", "GET /" + std::string(200'000, 'p') + " HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"no end of line", std::string(200'000, 'G')},
  };
  for (const auto& c : kCases) {
    RawClient client(server->port());
    client.Send(c.request);
    EXPECT_THAT(client.ReadAll(),
                AnyOf(IsEmpty(), HasSubstr(" 414 "), HasSubstr(" 431 "), HasSubstr(" 413 "), HasSubstr(" 400 ")))
        << c.name;
  }
  RawClient many(server->port());
  many.Send("GET /ok HTTP/1.1\r\nHost: x\r\n");
  for (int i = 0; i < 20'000 && many.Send("X-" + std::to_string(i) + ": v\r\n"); ++i) {
  }
  many.ReadAll();
  // Up to the limit everything is fine.
  HttpClient client;
  EXPECT_EQ(client.Do({.url = server->url() + "/ok", .headers = {"X-Large: " + std::string(10'000, 'h')}}).status, 200);
  ExpectServes(*server);
}

TEST(HostileClients, SlowOnesAreTimedOut) {
  const auto server = StartServer({.threads = 2, .idle_timeout = std::chrono::seconds(1)});
  RawClient header(server->port());
  RawClient body(server->port());
  RawClient silent(server->port());
  ASSERT_TRUE(header.Send("GET /ok HTT"));
  ASSERT_TRUE(body.Send("POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"));
  ExpectServes(*server);  // meanwhile
  for (RawClient* slow : {&header, &body, &silent}) EXPECT_THAT(slow->ReadAll(), AnyOf(IsEmpty(), HasSubstr(" 408 ")));
  ExpectServes(*server);
}

// More connections than allowed wait until others have gone; nobody is lost.
TEST(HostileClients, MoreConnectionsThanTheLimit) {
  const auto server = StartServer({.threads = 2, .max_connections = 8, .idle_timeout = std::chrono::seconds(1)});
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<RawClient>(server->port()));
    ASSERT_TRUE(idle.back()->Send("GET /ok HTTP/1.1\r\nHost: x\r\n"));  // no end
  }
  ExpectServes(*server);  // once the idle ones before it have been timed out
  for (const auto& client : idle) EXPECT_THAT(client->ReadAll(), AnyOf(IsEmpty(), HasSubstr(" 408 ")));
  ExpectServes(*server);
}

TEST(HostileClients, GoneBeforeTheAnswer) {
  const auto server = StartServer({});
  for (int i = 0; i < 50; ++i) {
    RawClient client(server->port());
    client.Send(i % 2 == 0 ? "GET /big HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /big HTTP/1.1\r\nHo");
  }
  ExpectServes(*server);
}

}  // namespace
}  // namespace runledger::exporters
