#include "exporters/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace runledger::exporters {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class RouterTest : public testing::Test {
 protected:
  static Route Named(const std::string& method, const std::string& pattern) {
    return {method, pattern, [=](const Request&) { return Response{.body = method + " " + pattern}; }};
  }
  std::string RouteOf(const std::string& method, const std::string& path) const {
    const Router::Match match = router_.Find(method, path);
    return match.route == nullptr ? std::to_string(match.refusal.status) : match.route->handler({}).body;
  }

  const Router router_{{Named("GET", "/"), Named("GET", "/metrics"), Named("GET", "/jobs/{job}"),
                        Named("POST", "/jobs/{job}"), Named("GET", "/jobs/{job}/days/{day}"),
                        Named("POST", "/events")}};
};

TEST_F(RouterTest, Finds) {
  const struct {
    const char* method;
    std::string path;
    const char* route;
  } kCases[] = {
      {"GET", "/", "GET /"},
      {"HEAD", "/metrics", "GET /metrics"},
      {"GET", "/jobs/a", "GET /jobs/{job}"},
      {"POST", "/jobs/a", "POST /jobs/{job}"},
      {"GET", "/jobs/a/days/b", "GET /jobs/{job}/days/{day}"},
      {"GET", "/%6Detrics", "GET /metrics"},
      {"GET", "/metrics/", "404"},
      {"GET", "//metrics", "404"},
      {"GET", "/jobs/", "404"},
      {"GET", "/jobs", "404"},
      {"GET", "/Metrics", "404"},
      {"GET", "/jobs/a/b", "404"},
      {"GET", "/jobs/%zz", "400"},
      {"GET", "/jobs/%4", "400"},
      {"GET", "/jobs/%", "400"},
      {"GET", "metrics", "400"},
      {"GET", "", "400"},
      {"DELETE", "/jobs/a", "405"},
      {"HEAD", "/events", "405"},
      {"get", "/metrics", "405"},
  };
  for (const auto& c : kCases) EXPECT_EQ(RouteOf(c.method, c.path), c.route) << c.method << " " << c.path;
}

TEST_F(RouterTest, ParametersAreDecodedAfterSplitting) {
  EXPECT_THAT(router_.Find("GET", "/jobs/a%2Fb%20c+d/days/%C3%A9%00x").parameters,
              ElementsAre(Pair("job", "a/b c+d"), Pair("day", "é\0x"s)));
}

TEST_F(RouterTest, AllowNamesTheMethods) {
  const Router::Match match = router_.Find("PUT", "/jobs/a");
  EXPECT_THAT(match.refusal.headers, ElementsAre(Pair("Allow", "GET, HEAD, POST")));
  EXPECT_THAT(match.refusal.body, HasSubstr("GET, HEAD, POST"));
}

TEST(Problem, IsJsonWhateverItQuotes) {
  const Response problem =
      Problem(404, "no job '\xFF\"\n'", nlohmann::ordered_json{{"ready", false}, {"path", "/\xFF"}});
  EXPECT_EQ(problem.content_type, "application/problem+json");
  const auto json = nlohmann::json::parse(problem.body);
  EXPECT_EQ(json["title"], "Not Found");
  EXPECT_EQ(json["status"], 404);
  EXPECT_EQ(json["detail"], "no job '\xEF\xBF\xBD\"\n'");
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["path"], "/\xEF\xBF\xBD");
}

TEST(Request, LooksUp) {
  Request request;
  request.query = {{"a", "1"}, {"b", ""}, {"a", "2"}};
  request.headers = {{"ACCEPT", "text/plain"}};
  EXPECT_EQ(request.Query("a"), "1");
  EXPECT_EQ(request.Query("b"), "");
  EXPECT_EQ(request.Query("c"), std::nullopt);
  EXPECT_EQ(request.Header("accept"), "text/plain");
  EXPECT_EQ(request.Header("Acce"), "");
}

}  // namespace
}  // namespace runledger::exporters
