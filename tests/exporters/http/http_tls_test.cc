#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>

#include "exporters/http/http_client.h"
#include "exporters/http/http_server.h"
#include "exporters/http/raw_client.h"
#include "exporters/support/subprocess.h"

namespace runledger::exporters {
namespace {

using ::testing::HasSubstr;

class HttpTls : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "runledger-tls-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    const ProcessResult made =
        RunProcess({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=runledger", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    Path("key.pem"), "-out", Path("cert.pem")},
                   "");
    if (!made.started) {
      ASSERT_TRUE(MayBeSkipped()) << "openssl is missing (Debian package openssl)";
      std::cerr << "SKIPPED: openssl is missing (Debian package openssl); TLS was not tested\n";
      GTEST_SKIP() << "openssl is missing";
    }
    ASSERT_EQ(made.exit_status, 0) << made.output;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& file) const { return directory_ / file; }
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& cert, const std::string& key) {
    return HttpServer::Start(
        {.listen = "127.0.0.1:0", .tls_cert_file = cert, .tls_key_file = key},
        {{"GET", "/ok", [](const Request&) { return Response{.body = std::string(3'000'000, 'x')}; }}});
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(HttpTls, Serves) {
  const auto server = Start(Path("cert.pem"), Path("key.pem"));
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->url(), testing::StartsWith("https://127.0.0.1:"));
  HttpClient client;
  for (const long connects : {1, 0}) {
    const HttpReply reply = client.Do({.url = (*server)->url() + "/ok", .ca_file = Path("cert.pem")});
    EXPECT_EQ(reply.status, 200) << reply.error;
    EXPECT_EQ(reply.body.size(), 3'000'000U);
    EXPECT_EQ(reply.connects, connects);
  }
  EXPECT_EQ(HttpClient().Do({.url = (*server)->url() + "/ok", .ca_file = Path("cert.pem"), .max_tls = "1.1"}).status,
            0);

  // Somebody who speaks no TLS harms nobody.
  RawClient plain((*server)->port());
  plain.Send("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
  plain.ReadAll();
  EXPECT_EQ(client.Do({.url = (*server)->url() + "/ok", .ca_file = Path("cert.pem")}).status, 200);
}

TEST_F(HttpTls, SettingsThatCannotBeUsed) {
  std::ofstream(Path("rubbish.pem")) << "no certificate";
  const struct {
    std::string cert;
    std::string key;
    const char* text;
  } kCases[] = {
      {Path("cert.pem"), "", "http.tls: give both"},
      {"", Path("key.pem"), "http.tls: give both"},
      {Path("absent.pem"), Path("key.pem"), "http.tls.cert: cannot read"},
      {Path("cert.pem"), Path("absent.pem"), "http.tls.key: cannot read"},
      {Path("rubbish.pem"), Path("key.pem"), "http.tls: the certificate and key cannot be used"},
      {Path("cert.pem"), Path("cert.pem"), "http.tls: the certificate and key cannot be used"},
  };
  for (const auto& c : kCases) {
    const auto server = Start(c.cert, c.key);
    ASSERT_FALSE(server.ok()) << c.text;
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(c.text));
  }
}

// The library closes the socket that it was given also where it does not start. Closed once more, it is the
// descriptor of somebody else by then.
TEST_F(HttpTls, AStartThatFailsClosesNobodysDescriptor) {
  std::atomic<bool> done = false;
  std::atomic<int> taken_away = 0;
  std::thread other([&] {
    while (!done) {
      const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
      std::this_thread::yield();
      if (fd >= 0 && close(fd) != 0) ++taken_away;
    }
  });
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Start(Path("cert.pem"), Path("cert.pem")).ok());
  done = true;
  other.join();
  EXPECT_EQ(taken_away, 0);
}

// Nor does it keep one, and its address is free.
TEST_F(HttpTls, AStartThatFailsKeepsNothing) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const HttpOptions wrong = {
      .listen = "127.0.0.1:0", .tls_cert_file = Path("cert.pem"), .tls_key_file = Path("cert.pem")};
  EXPECT_FALSE(HttpServer::Start(wrong, {}).ok());
  const auto before = descriptors();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(HttpServer::Start(wrong, {}).ok());
  EXPECT_EQ(descriptors(), before);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Start(Path("cert.pem"), Path("key.pem")).ok());
  EXPECT_EQ(descriptors(), before);
}

}  // namespace
}  // namespace runledger::exporters
