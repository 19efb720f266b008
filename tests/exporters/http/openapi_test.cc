#include "exporters/http/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "exporters/http/api.h"

// The description names what there is, and there is what it names. That answers are as it says is seen on a running
// instance, in tests/system.

namespace runledger::exporters {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class OpenApiTest : public testing::Test {
 protected:
  // The routes of the API by method and path.
  std::map<std::string, Route> Routes() {
    std::map<std::string, Route> routes;
    for (const Route& route : ApiRoutes(directory_, exposition_, {})) {
      if (route.pattern.starts_with("/api/")) routes.emplace(route.method + " " + route.pattern, route);
    }
    return routes;
  }
  // Of a parameter that stands in place or by reference.
  const json& Resolved(const json& parameter) {
    if (!parameter.contains("$ref")) return parameter;
    return described_.at(json::json_pointer(parameter["$ref"].get<std::string>().substr(1)));
  }

  const json described_ = json::parse(OpenApi());
  ingest::PartitionDirectory directory_;
  ingest::OwnMetrics own_;
  Exposition exposition_{directory_, own_, {}};
};

TEST_F(OpenApiTest, EveryPathIsDescribedAndEveryDescribedPathIsThere) {
  std::set<std::string> described, there;
  for (const auto& [path, methods] : described_["paths"].items()) {
    for (const auto& [method, operation] : methods.items())
      described.insert((method == "get" ? "GET " : "POST ") + path);
  }
  for (const auto& [name, route] : Routes()) there.insert(name);
  EXPECT_EQ(described, there);
  EXPECT_GT(there.size(), 5u);
}

TEST_F(OpenApiTest, ParametersAreThoseThatAreTaken) {
  const auto routes = Routes();
  for (const auto& [path, methods] : described_["paths"].items()) {
    const json& operation = methods["get"];
    Request request{.method = "GET"};
    std::set<std::string> query;
    for (const json& given : operation.value("parameters", json::array())) {
      const json& parameter = Resolved(given);
      const std::string name = parameter["name"];
      if (parameter["in"] == "path") {
        EXPECT_THAT(path, HasSubstr("{" + name + "}"));
        request.parameters.emplace_back(name, "x");
      } else {
        query.insert(name);
      }
    }
    if (path.ends_with("openapi.json")) continue;  // whatever is asked, the answer is the same
    const Route& route = routes.at("GET " + path);
    for (const std::string& name : query) {
      request.query = {{name, "?"}};
      EXPECT_THAT(route.handler(request).body, Not(HasSubstr("there is no parameter"))) << path << " " << name;
    }
    request.query = {{"unheard_of", "1"}};
    const Response refused = route.handler(request);
    EXPECT_EQ(refused.status, 400) << path;
    EXPECT_THAT(refused.body, HasSubstr("there is no parameter 'unheard_of'")) << path;
    for (const std::string& name : query) EXPECT_THAT(refused.body, HasSubstr(name)) << path;
  }
}

}  // namespace
}  // namespace runledger::exporters
