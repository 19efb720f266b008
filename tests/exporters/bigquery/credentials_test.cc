#include "exporters/bigquery/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "exporters/bigquery/bigquery_testing.h"
#include "exporters/http/http_server.h"

namespace runledger::exporters {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'768'217'408 * kSecond;

struct Key {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  ~Key() { EVP_PKEY_free(key); }
  std::string Pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string pem(data, static_cast<size_t>(size));
    BIO_free(bio);
    return pem;
  }
};

// What a service does with a token: empty, or why it refuses it.
std::string Judge(const std::string& token, EVP_PKEY* key, const std::string& audience, int64_t now_s, json* claims) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  if (parts.size() != 3) return "it has not three parts";
  std::string header, body, signature;
  if (!absl::WebSafeBase64Unescape(parts[0], &header) || !absl::WebSafeBase64Unescape(parts[1], &body) ||
      !absl::WebSafeBase64Unescape(parts[2], &signature))
    return "it is not base64";
  if (token.find_first_of("=+/") != std::string::npos) return "it is not base64url without padding";
  if (json::parse(header).at("alg") != "RS256") return "it is not RS256";
  const std::string signed_part = parts[0] + "." + parts[1];
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key);
  const bool good =
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size()) == 1;
  EVP_MD_CTX_free(context);
  if (!good) return "the signature is wrong";
  *claims = json::parse(body);
  if ((*claims).at("aud") != audience) return "the audience is another";
  if ((*claims).at("iat").get<int64_t>() > now_s) return "it is from the future";
  if ((*claims).at("exp").get<int64_t>() <= now_s) return "it has expired";
  if ((*claims).at("exp").get<int64_t>() - (*claims).at("iat").get<int64_t>() > 3'600) return "it lasts too long";
  return "";
}

class CredentialsTest : public BigQueryTest {
 protected:
  CredentialsTest() {
    char path[] = "/tmp/runledger-credentials-XXXXXX";
    directory_ = mkdtemp(path);
    environment_["HOME"] = directory_;
  }
  ~CredentialsTest() override { std::filesystem::remove_all(directory_); }

  CredentialsOptions Credentials(const std::string& file = "") {
    CredentialsOptions options;
    options.file = file;
    options.now_us = [this] { return now_us_.load(); };
    options.environment = [this](const char* name) {
      const auto at = environment_.find(name);
      return at == environment_.end() ? nullptr : at->second.c_str();
    };
    return options;
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  std::string WriteKey(const std::string& name, const std::string& pem, const std::string& email = "a@b.example") {
    return Write(
        name,
        json{{"type", "service_account"}, {"client_email", email}, {"private_key", pem}, {"private_key_id", "kid1"}}
            .dump());
  }
  // A token server that answers with `answer`.
  std::unique_ptr<HttpServer> TokenServer(const std::string& path, const std::string& method) {
    HttpOptions options;
    options.listen = "127.0.0.1:0";
    auto server = HttpServer::Start(std::move(options), {{method, path, [this](const Request& request) {
                                                            const std::lock_guard lock(mutex_);
                                                            asked_ = request;
                                                            ++questions_;
                                                            return answer_;
                                                          }}});
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(*server);
  }
  void Answer(int status, const json& body) {
    const std::lock_guard lock(mutex_);
    answer_ = {.status = status, .content_type = "application/json", .body = body.dump()};
  }

  std::string directory_;
  std::map<std::string, std::string> environment_;
  std::atomic<int64_t> now_us_{kStart};
  std::mutex mutex_;
  Response answer_;    // guarded by mutex_
  Request asked_;      // guarded by mutex_
  int questions_ = 0;  // guarded by mutex_
};

TEST_F(CredentialsTest, AKeyFileSignsForEachServiceAndAnew) {
  const Key key;
  const auto source = MakeTokenSource(Credentials(WriteKey("key.json", key.Pem())));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_THAT((*source)->Description(), HasSubstr("a@b.example"));
  json claims;
  const std::string rest = (*source)->Token(kRestAudience).value();
  EXPECT_EQ(Judge(rest, key.key, "https://bigquery.googleapis.com/", kStart / kSecond, &claims), "");
  EXPECT_EQ(claims.at("iss"), "a@b.example");
  EXPECT_EQ(claims.at("sub"), "a@b.example");
  const std::string grpc = (*source)->Token(kStorageAudience).value();
  EXPECT_EQ(Judge(grpc, key.key, "https://bigquerystorage.googleapis.com/", kStart / kSecond, &claims), "");
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), grpc) << "one lasts for a while";
  now_us_ += 3'500 * kSecond;  // less than the hour is left than a request may take
  const std::string next = (*source)->Token(kStorageAudience).value();
  EXPECT_NE(next, grpc);
  EXPECT_EQ(Judge(next, key.key, "https://bigquerystorage.googleapis.com/", now_us_ / kSecond, &claims), "");
}

TEST_F(CredentialsTest, TheOrderIsTheUsualOne) {
  const Key key;
  environment_["NO_GCE_CHECK"] = "true";
  EXPECT_TRUE(absl::IsNotFound(MakeTokenSource(Credentials()).status()));
  WriteKey(".config/gcloud/application_default_credentials.json", key.Pem(), "home@b.example");
  EXPECT_THAT((*MakeTokenSource(Credentials()))->Description(), HasSubstr("home@"));
  environment_["CLOUDSDK_CONFIG"] = directory_ + "/sdk";
  EXPECT_TRUE(absl::IsNotFound(MakeTokenSource(Credentials()).status()));
  WriteKey("sdk/application_default_credentials.json", key.Pem(), "sdk@b.example");
  EXPECT_THAT((*MakeTokenSource(Credentials()))->Description(), HasSubstr("sdk@"));
  environment_["GOOGLE_APPLICATION_CREDENTIALS"] = WriteKey("variable.json", key.Pem(), "variable@b.example");
  EXPECT_THAT((*MakeTokenSource(Credentials()))->Description(), HasSubstr("variable@"));
  const std::string own = WriteKey("own.json", key.Pem(), "own@b.example");
  EXPECT_THAT((*MakeTokenSource(Credentials(own)))->Description(), HasSubstr("own@"));
}

TEST_F(CredentialsTest, FilesOfNoUseAreNamedAndNothingSecretIsTold) {
  const auto text = [&](const std::string& contents) {
    const auto source = MakeTokenSource(Credentials(Write("bad.json", contents)));
    EXPECT_TRUE(absl::IsInvalidArgument(source.status())) << contents;
    return std::string(source.status().message());
  };
  EXPECT_THAT(text("secret{"), AllOf(HasSubstr("bad.json"), HasSubstr("JSON"), Not(HasSubstr("secret"))));
  EXPECT_THAT(text(R"({"type": "external_account"})"), HasSubstr("external_account"));
  EXPECT_THAT(text(R"({"type": "service_account", "client_email": "a", "private_key": "s3cr3t"})"),
              AllOf(HasSubstr("private_key"), Not(HasSubstr("s3cr3t"))));
  EXPECT_THAT(text(R"({"type": "authorized_user", "client_id": "i", "client_secret": "s3cr3t"})"),
              AllOf(HasSubstr("refresh_token"), Not(HasSubstr("s3cr3t"))));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeTokenSource(Credentials(directory_ + "/none.json")).status()));
}

TEST_F(CredentialsTest, WhatNamesAFileThatCannotBeReadIsNamedAndWhyItCannot) {
  const std::string directory = std::filesystem::temp_directory_path();
  EXPECT_THAT(std::string(MakeTokenSource(Credentials(directory)).status().message()),
              AllOf(HasSubstr(directory + " (warehouse.credentials): "), HasSubstr("Is a directory")));
  environment_["GOOGLE_APPLICATION_CREDENTIALS"] = directory + "/there is none";
  EXPECT_THAT(std::string(MakeTokenSource(Credentials()).status().message()),
              AllOf(HasSubstr("none (GOOGLE_APPLICATION_CREDENTIALS): "), HasSubstr("No such file")));
}

TEST_F(CredentialsTest, AUsersRefreshTokenIsExchanged) {
  const auto server = TokenServer("/token", "POST");
  Answer(200, {{"access_token", "ya29.one"}, {"expires_in", 3599}});
  const auto source = MakeTokenSource(Credentials(Write("user.json", json{{"type", "authorized_user"},
                                                                          {"client_id", "the id"},
                                                                          {"client_secret", "s3cr3t"},
                                                                          {"refresh_token", "1//ref"},
                                                                          {"token_uri", server->url() + "/token"}}
                                                                         .dump())));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), "ya29.one");
  EXPECT_EQ((*source)->Token(kRestAudience).value(), "ya29.one");
  EXPECT_EQ(questions_, 1) << "one token serves both";
  EXPECT_EQ(asked_.body, "grant_type=refresh_token&client_id=the%20id&client_secret=s3cr3t&refresh_token=1%2F%2Fref");
  // The server is away when a new one is due: the old one serves as long as it lasts.
  Answer(503, {{"error", "unavailable"}});
  now_us_ += 3'400 * kSecond;
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), "ya29.one");
  now_us_ += 300 * kSecond;
  EXPECT_TRUE(absl::IsUnavailable((*source)->Token(kStorageAudience).status()));
  Answer(400, {{"error", "invalid_grant"}, {"error_description", "1//ref was revoked"}});
  const absl::Status refused = (*source)->Token(kStorageAudience).status();
  EXPECT_TRUE(absl::IsUnauthenticated(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("invalid_grant"), Not(HasSubstr("1//ref")), Not(HasSubstr("s3cr3t"))));
  Answer(200, {{"access_token", "ya29.two"}, {"expires_in", 3599}});
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), "ya29.two");
}

TEST_F(CredentialsTest, TheMachinesAccountIsTheLastResort) {
  const auto server = TokenServer("/computeMetadata/v1/instance/service-accounts/default/token", "GET");
  environment_["GCE_METADATA_HOST"] = server->url().substr(7);
  Answer(200, {{"access_token", "ya29.machine"}, {"expires_in", 300}});
  CredentialsOptions options = Credentials();
  options.metadata_timeout = std::chrono::seconds(60);
  const auto source = MakeTokenSource(options);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), "ya29.machine");
  EXPECT_EQ(asked_.Header("metadata-flavor"), "Google");
  // Near its end already, it is still used for half of its time.
  now_us_ += 100 * kSecond;
  EXPECT_EQ((*source)->Token(kStorageAudience).value(), "ya29.machine");
  EXPECT_EQ(questions_, 1);
  Answer(404, json::object());
  now_us_ += 300 * kSecond;
  EXPECT_THAT(std::string((*source)->Token(kStorageAudience).status().message()),
              HasSubstr("GOOGLE_APPLICATION_CREDENTIALS"));
}

// A service behind TLS that judges every token.
class GuardedServiceTest : public CredentialsTest {
 protected:
  GuardedServiceTest() {
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=IP:127.0.0.1,DNS:localhost -keyout " +
        directory_ + "/tls.key -out " + directory_ + "/tls.crt 2>/dev/null";
    EXPECT_EQ(system(command.c_str()), 0);
    const auto read = [&](const std::string& name) {
      std::ifstream in(directory_ + name);
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    fakes::FakeBigQuery::Options options;
    options.certificate = read("/tls.crt");
    options.key = read("/tls.key");
    options.authorise = [this](const std::string& value) -> std::string {
      if (value.rfind("Bearer ", 0) != 0) return "no token";
      json claims;
      const std::lock_guard lock(mutex_);
      const std::string refusal =
          Judge(value.substr(7), key_.key, std::string(kStorageAudience), now_us_ / kSecond, &claims);
      if (refusal.empty()) tokens_.insert(value);
      return refusal;
    };
    guarded_ = std::make_unique<fakes::FakeBigQuery>(options);
    guarded_->Start();
  }
  BigQueryOptions Guarded(const std::string& pem) {
    BigQueryOptions options = Options();
    options.endpoint = "https://localhost:" + std::to_string(guarded_->port());
    options.ca_file = directory_ + "/tls.crt";
    auto source = MakeTokenSource(Credentials(WriteKey("key.json", pem)));
    EXPECT_TRUE(source.ok()) << source.status();
    options.credentials = std::move(*source);
    return options;
  }

  const Key key_;
  std::set<std::string> tokens_;  // guarded by mutex_
  std::unique_ptr<fakes::FakeBigQuery> guarded_;
};

TEST_F(GuardedServiceTest, RowsGoThroughTlsWithATokenThatIsRenewed) {
  Owner owner(partition_, Events(20));
  const auto sink = NewSink(&owner, Guarded(key_.Pem()));
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(owner.Write(10, 10), "");
  now_us_ += 3'500 * kSecond;
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(10, 20), "");
  EXPECT_EQ(guarded_->row_count(), 20);
  EXPECT_EQ(tokens_.size(), 2u);
}

TEST_F(GuardedServiceTest, AWrongKeyIsAClearErrorThatIsTriedAgain) {
  const Key other;
  Owner owner(partition_, Events(10));
  const auto sink = NewSink(&owner, Guarded(other.Pem()));
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  EXPECT_TRUE(absl::IsUnavailable(opened.status)) << opened.status;
  EXPECT_THAT(std::string(opened.status.message()), HasSubstr("the signature is wrong"));
}

TEST_F(GuardedServiceTest, AServerThatNobodyVouchesForGetsNothing) {
  Owner owner(partition_, Events(10));
  BigQueryOptions options = Guarded(key_.Pem());
  options.ca_file.clear();
  const auto sink = NewSink(&owner, options);
  EXPECT_TRUE(absl::IsUnavailable(owner.Open(sink.get(), 1).status));
  EXPECT_TRUE(guarded_->calls().empty());
}

}  // namespace
}  // namespace runledger::exporters
