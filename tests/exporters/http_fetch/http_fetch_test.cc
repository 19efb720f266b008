#include "exporters/http_fetch/http_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "exporters/http/http_server.h"

// Against our own server: what is asked arrives as it was meant, and what comes back is told.

namespace runledger::exporters {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class HttpFetchTest : public testing::Test {
 protected:
  explicit HttpFetchTest(AuthOptions auth = {}) {
    HttpOptions options;
    options.listen = "127.0.0.1:0";
    options.auth = std::move(auth);
    const auto echo = [](const Request& request) {
      return Response{.status = 201,
                      .body = request.path + " " + std::string(request.Header("x-said")) + " " + request.body};
    };
    const auto elsewhere = [](const Request&) {
      Response response{.status = 302};
      response.headers.emplace_back("Location", "/echo/elsewhere");
      return response;
    };
    auto server = HttpServer::Start(
        std::move(options),
        {{"POST", "/echo/{text}", echo}, {"GET", "/echo/{text}", echo}, {"GET", "/elsewhere", elsewhere}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  HttpFetch To(const std::string& path) const { return {.url = server_->url() + path}; }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpFetchTest, AsksAndTellsTheAnswer) {
  HttpFetch request = To("/echo/" + UrlEncoded("a b/c?d=ü"));
  request.method = "POST";
  request.headers = {{"X-Said", "hello"}};
  request.body = "the body";
  const auto answer = Fetch(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 201);
  EXPECT_THAT(answer->body, AllOf(HasSubstr("hello"), HasSubstr("the body"), HasSubstr("a b/c?d=ü")));
  EXPECT_EQ(Fetch(To("/nothing/here"))->status, 404) << "any status is an answer";
}

TEST_F(HttpFetchTest, IsNotSentElsewhere) { EXPECT_EQ(Fetch(To("/elsewhere"))->status, 302); }

TEST_F(HttpFetchTest, NoAnswerIsNamedWithoutItsSecrets) {
  HttpFetch request = To("/echo/x?key=s3cr3t");
  request.headers = {{"Authorization", "Bearer t0ken"}};
  server_.reset();
  const absl::Status status = Fetch(request).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("/echo/x"), Not(HasSubstr("s3cr3t")), Not(HasSubstr("t0ken"))));
}

TEST(UrlEncoded, LeavesWhatHasNoMeaningOfItsOwn) {
  EXPECT_EQ(UrlEncoded("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(UrlEncoded(" /?#&=+%\xff"), "%20%2F%3F%23%26%3D%2B%25%FF");
}

class GuardedTest : public HttpFetchTest {
 protected:
  GuardedTest() : HttpFetchTest({.basic_user = "user", .basic_password = "pass:word", .bearer_token = "token"}) {}
};

TEST_F(GuardedTest, CredentialsOfEitherKind) {
  HttpFetch request = To("/echo/x");
  EXPECT_EQ(Fetch(request)->status, 401);
  request.user = "user";
  request.password = "pass:word";
  EXPECT_EQ(Fetch(request)->status, 201);
  request.user.clear();
  request.headers = {{"Authorization", "Bearer token"}};
  EXPECT_EQ(Fetch(request)->status, 201);
}

}  // namespace
}  // namespace runledger::exporters
