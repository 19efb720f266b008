#include "exporters/bigquery_rest/rest_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>

namespace runledger::exporters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// An HTTP server that gives the answers that it was told, one after the other, and keeps what it was asked.
class FakeService {
 public:
  struct Reply {
    int status;
    std::string body;
  };

  explicit FakeService(std::vector<Reply> replies) : replies_(std::move(replies)) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~FakeService() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void Run() {
    for (const Reply& reply : replies_) {
      const int connection = accept(fd_, nullptr, nullptr);
      if (connection < 0) return;
      std::string request = Read(connection);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
      }
      const std::string text = "HTTP/1.1 " + std::to_string(reply.status) +
                               " X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                               std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
      EXPECT_EQ(write(connection, text.data(), text.size()), static_cast<ssize_t>(text.size()));
      close(connection);
    }
  }

  static std::string Read(int connection) {
    std::string text;
    char buffer[4096];
    while (true) {
      const size_t end = text.find("\r\n\r\n");
      if (end != text.npos) {
        const size_t at = text.find("Content-Length: ");
        const size_t body = at == text.npos || at > end ? 0 : std::stoul(text.substr(at + 16));
        if (text.size() >= end + 4 + body) return text;
      }
      const ssize_t size = read(connection, buffer, sizeof buffer);
      if (size <= 0) return text;
      text.append(buffer, static_cast<size_t>(size));
    }
  }

  const std::vector<Reply> replies_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  int fd_ = -1;
  int port_ = 0;
  std::thread thread_;
};

class FixedToken : public TokenSource {
 public:
  absl::StatusOr<std::string> Token(std::string_view audience) override {
    EXPECT_EQ(audience, kRestAudience);
    return "s3cret";
  }
  std::string Description() const override { return "a token"; }
};

BigQueryPlace Place(const FakeService& service) {
  BigQueryPlace place;
  place.project = "my project";
  place.dataset = "d";
  place.endpoint = service.url();
  return place;
}

std::string Error(const char* reason, const char* message) {
  return Json({{"error", {{"message", message}, {"errors", {{{"reason", reason}}}}}}}).dump();
}

TEST(RestClient, AsksAgainWhatMayPass) {
  FakeService service({{503, "overloaded"},
                       {403, Error("rateLimitExceeded", "slow down")},
                       {429, Error("x", "slow down")},
                       {200, R"({"id": "x"})"}});
  const BigQueryPlace place = Place(service);
  FixedToken token;
  RestClient client(place, &token);
  const auto answer = client.Get("/datasets/d");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ((*answer)["id"], "x");
  const std::vector<std::string> requests = service.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_THAT(requests[3], HasSubstr("GET /bigquery/v2/projects/my%20project/datasets/d "));
  EXPECT_THAT(requests[3], HasSubstr("authorization: Bearer s3cret\r\n"));
}

TEST(RestClient, SaysWhatWillNotPass) {
  FakeService service({{403, Error("accessDenied", "Access Denied: Dataset d")},
                       {401, Error("authError", "Invalid Credentials")},
                       {400, Error("invalidQuery", "Syntax error")},
                       {404, Error("notFound", "Not found: Table d.t")},
                       {409, Error("duplicate", "Already Exists")},
                       {404, Error("notFound", "Not found: Table d.t")}});
  const BigQueryPlace place = Place(service);
  FixedToken token;
  RestClient client(place, &token);
  const absl::Status denied = client.Get("/datasets/d").status();
  EXPECT_TRUE(absl::IsPermissionDenied(denied));
  EXPECT_THAT(std::string(denied.message()), HasSubstr("answered 403: Access Denied: Dataset d; grant the account"));
  EXPECT_THAT(std::string(denied.message()), Not(HasSubstr("s3cret")));
  EXPECT_TRUE(absl::IsPermissionDenied(client.Get("/x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client.Post("/x", Json::object()).status()));
  EXPECT_TRUE(absl::IsNotFound(client.Get("/x").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(client.Post("/x", Json::object()).status()));
  const auto none = client.Find("/x");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(service.requests().size(), 6u);  // none was sent twice
}

TEST(RestClient, WaitsForAQueryAndReadsItsPages) {
  const char* const job = R"("jobReference": {"projectId": "p", "jobId": "j 1", "location": "EU"})";
  const char* const schema = R"("schema": {"fields": [{"name": "x", "type": "INTEGER"}]})";
  const auto page = [&](const char* rest) { return std::string("{") + job + ", " + schema + ", " + rest + "}"; };
  FakeService service({{200, std::string("{") + job + R"(, "jobComplete": false})"},
                       {200, page(R"("jobComplete": true, "rows": [{"f": [{"v": "1"}]}], "pageToken": "next=")")},
                       {200, page(R"("jobComplete": true, "rows": [{"f": [{"v": "2"}]}, {"f": [{"v": null}]}])")}});
  const BigQueryPlace place = Place(service);
  RestClient client(place, nullptr);
  std::vector<std::string> values;
  int described = 0;
  const absl::Status status = client.Query(
      "SELECT @n", {{"n", "INT64", "7"}},
      [&](const Json& fields) {
        ++described;
        EXPECT_EQ(fields[0]["name"], "x");
        return absl::OkStatus();
      },
      [&](const Json& cells) {
        values.push_back(cells[0]["v"].dump());
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(described, 1);
  EXPECT_THAT(values, ElementsAre("\"1\"", "\"2\"", "null"));
  const std::vector<std::string> requests = service.requests();
  ASSERT_EQ(requests.size(), 3u);
  const Json body = Json::parse(requests[0].substr(requests[0].find("\r\n\r\n") + 4));
  EXPECT_EQ(body["useLegacySql"], false);
  EXPECT_LE(body["requestId"].get<std::string>().size(), 36u);
  EXPECT_EQ(body["queryParameters"][0]["parameterType"]["type"], "INT64");
  EXPECT_EQ(body["queryParameters"][0]["parameterValue"]["value"], "7");
  EXPECT_THAT(requests[0], Not(HasSubstr("authorization")));
  EXPECT_THAT(requests[1], HasSubstr("/queries/j%201?"));
  EXPECT_THAT(requests[1], HasSubstr("location=EU"));
  EXPECT_THAT(requests[1], Not(HasSubstr("pageToken")));
  EXPECT_THAT(requests[2], HasSubstr("pageToken=next%3D"));
}

TEST(RestClient, AQueryThatFailsWhileItRuns) {
  FakeService service(
      {{200, R"({"jobComplete": true, "schema": {"fields": []}, "errors": [{"message": "no such column"}]})"},
       {200, "<html>a proxy's page</html>"},
       {200, "[]"},
       {502, "<html>"},
       {502, "<html>"},
       {502, "<html>"}});
  const BigQueryPlace place = Place(service);
  RestClient client(place, nullptr);
  const auto nothing = [](const Json&) { return absl::OkStatus(); };
  EXPECT_THAT(std::string(client.Query("SELECT x", {}, nothing, nothing).message()), HasSubstr("no such column"));
  // Five tries, then what the last one said.
  const absl::Status status = client.Get("/x").status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("502"));
  EXPECT_EQ(service.requests().size(), 6u);
}

}  // namespace
}  // namespace runledger::exporters
