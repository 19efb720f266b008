#include "exporters/http/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace runledger::exporters {
namespace {

TEST(Credentials, NothingSetLetsEverybodyIn) {
  const Credentials credentials(AuthOptions{});
  EXPECT_FALSE(credentials.required());
  EXPECT_TRUE(credentials.Accept(""));
  EXPECT_TRUE(credentials.Accept("Basic nonsense"));
}

TEST(Credentials, EitherSchemeIsEnough) {
  const Credentials credentials({.basic_user = "Aladdin", .basic_password = "open sesame", .bearer_token = "t0ken"});
  const struct {
    const char* authorization;
    bool accepted;
  } kCases[] = {
      {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true},  // the example of RFC 7617
      {"basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true},
      {"Bearer t0ken", true},
      {"BEARER t0ken", true},
      {"Bearer t0keN", false},
      {"Bearer t0ken2", false},
      {"Bearer t0ke", false},
      {"Bearer", false},
      {"Bearer ", false},
      {"Basic t0ken", false},
      {"Basic", false},
      {"", false},
      {" ", false},
      {"t0ken", false},
  };
  for (const auto& c : kCases) EXPECT_EQ(credentials.Accept(c.authorization), c.accepted) << c.authorization;
  const Response refusal = credentials.Refusal();
  EXPECT_EQ(refusal.status, 401);
  EXPECT_THAT(refusal.headers,
              testing::ElementsAre(testing::Pair("WWW-Authenticate", testing::StartsWith("Basic realm=")),
                                   testing::Pair("WWW-Authenticate", testing::StartsWith("Bearer realm="))));
}

TEST(Credentials, EmptySecretsOpenNothing) {
  const Credentials credentials({.basic_user = "user", .basic_password = "", .bearer_token = ""});
  EXPECT_FALSE(credentials.Accept("Bearer "));
  EXPECT_FALSE(credentials.Accept("Basic "));
  EXPECT_TRUE(credentials.Accept("Basic " + Base64("user:")));
}

TEST(Credentials, Base64) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xFF\xFE\xFD"), "//79");
}

}  // namespace
}  // namespace runledger::exporters
