#include "exporters/bigquery/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "exporters/bigquery/signed_token.h"
#include "exporters/bigquery/text_file.h"
#include "exporters/http_fetch/http_fetch.h"

namespace runledger::exporters {
namespace {

using nlohmann::json;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kSignedForS = 3'600;                 // a self-signed token lasts an hour at most
constexpr int64_t kBackdateS = 10;                     // for clocks that differ a little
constexpr int64_t kRefreshEarlyUs = 5 * 60 * kSecond;  // a new token this long before the old one expires
constexpr int64_t kRetryUs = 10 * kSecond;             // after a failure, while the old one is still good
constexpr char kMetadataPath[] = "/computeMetadata/v1/instance/service-accounts/default/token";

struct Minted {
  std::string token;
  int64_t expires_us = 0;
};

// Keeps tokens until shortly before they expire. What a token is made of is the subclass's.
class CachedTokens : public TokenSource {
 public:
  CachedTokens(CredentialsOptions options, bool per_audience)
      : options_(std::move(options)), per_audience_(per_audience) {}

  absl::StatusOr<std::string> Token(std::string_view audience) final {
    const std::lock_guard lock(mutex_);  // held while one is fetched: one request serves all who wait
    Held& held = held_[per_audience_ ? std::string(audience) : std::string()];
    const int64_t now_us = options_.now_us();
    const bool good = now_us < held.minted.expires_us;
    if (good && now_us < held.refresh_us) return held.minted.token;
    absl::StatusOr<Minted> minted = Mint(audience, now_us);
    if (!minted.ok()) {
      if (!good) return minted.status();
      held.refresh_us = now_us + kRetryUs;
      return held.minted.token;
    }
    const int64_t life_us = minted->expires_us - now_us;
    held = {std::move(*minted), now_us + std::max(life_us - kRefreshEarlyUs, life_us / 2)};
    return held.minted.token;
  }

 protected:
  virtual absl::StatusOr<Minted> Mint(std::string_view audience, int64_t now_us) = 0;

  // What a token server answered: {"access_token", "expires_in"}. Of a refusal only the word for its kind is told.
  absl::StatusOr<Minted> Ask(const HttpFetch& request, int64_t now_us) const {
    const absl::StatusOr<HttpFetched> answer = Fetch(request);
    if (!answer.ok()) return answer.status();
    const json body = json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    if (answer->status != 200) {
      std::string text = absl::StrCat(request.url, " gives no token: HTTP status ", answer->status);
      if (body.is_object() && body.contains("error") && body["error"].is_string())
        absl::StrAppend(&text, ", ", body["error"].get<std::string>());
      const bool later = answer->status >= 500 || answer->status == 429;
      return later ? absl::UnavailableError(text) : absl::UnauthenticatedError(text);
    }
    if (!body.is_object() || !body.contains("access_token") || !body["access_token"].is_string() ||
        !body.contains("expires_in") || !body["expires_in"].is_number())
      return absl::UnavailableError(absl::StrCat(request.url, " gives an answer that holds no token"));
    const auto seconds = static_cast<int64_t>(std::clamp(body["expires_in"].get<double>(), 0.0, 86'400.0));
    return Minted{body["access_token"].get<std::string>(), now_us + seconds * kSecond};
  }

  const CredentialsOptions options_;

 private:
  struct Held {
    Minted minted;
    int64_t refresh_us = 0;
  };
  const bool per_audience_;
  std::mutex mutex_;
  std::map<std::string, Held, std::less<>> held_;  // guarded by mutex_
};

class ServiceAccount : public CachedTokens {
 public:
  ServiceAccount(CredentialsOptions options, std::string file, std::string email, std::string key_id, SigningKey key)
      : CachedTokens(std::move(options), /*per_audience=*/true),
        file_(std::move(file)),
        email_(std::move(email)),
        key_id_(std::move(key_id)),
        key_(std::move(key)) {}
  std::string Description() const override { return absl::StrCat("the service account ", email_, " of ", file_); }

 protected:
  absl::StatusOr<Minted> Mint(std::string_view audience, int64_t now_us) override {
    const int64_t now_s = now_us / kSecond;
    absl::StatusOr<std::string> token =
        key_.Sign({email_, key_id_, audience, now_s - kBackdateS, now_s + kSignedForS - kBackdateS});
    if (!token.ok()) return absl::UnauthenticatedError(absl::StrCat(file_, ": ", token.status().message()));
    return Minted{std::move(*token), (now_s + kSignedForS - kBackdateS) * kSecond};
  }

 private:
  const std::string file_;
  const std::string email_;
  const std::string key_id_;
  const SigningKey key_;
};

class AuthorizedUser : public CachedTokens {
 public:
  AuthorizedUser(CredentialsOptions options, std::string file, std::string token_uri, std::string form)
      : CachedTokens(std::move(options), /*per_audience=*/false),
        file_(std::move(file)),
        token_uri_(std::move(token_uri)),
        form_(std::move(form)) {}
  std::string Description() const override { return absl::StrCat("the user of ", file_); }

 protected:
  absl::StatusOr<Minted> Mint(std::string_view, int64_t now_us) override {
    HttpFetch request;
    request.method = "POST";
    request.url = token_uri_;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    request.body = form_;
    request.ca_file = options_.ca_file;
    return Ask(request, now_us);
  }

 private:
  const std::string file_;
  const std::string token_uri_;
  const std::string form_;  // holds secrets
};

class MetadataServer : public CachedTokens {
 public:
  MetadataServer(CredentialsOptions options, std::string host)
      : CachedTokens(std::move(options), /*per_audience=*/false), host_(std::move(host)) {}
  std::string Description() const override { return absl::StrCat("the service account of this machine (", host_, ")"); }

 protected:
  absl::StatusOr<Minted> Mint(std::string_view, int64_t now_us) override {
    HttpFetch request;
    request.url = absl::StrCat("http://", host_, kMetadataPath);
    request.headers = {{"Metadata-Flavor", "Google"}};
    request.timeout = options_.metadata_timeout;
    request.direct = true;
    absl::StatusOr<Minted> minted = Ask(request, now_us);
    if (minted.ok()) return minted;
    return absl::Status(minted.status().code(),
                        absl::StrCat("no credentials: warehouse.credentials and GOOGLE_APPLICATION_CREDENTIALS name no "
                                     "file, `gcloud auth application-default login` has left none, and the metadata "
                                     "server gives no token (",
                                     minted.status().message(), ")"));
  }

 private:
  const std::string host_;
};

std::string TextOf(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

// `named_by`: the setting or variable that names it; empty: nobody does.
absl::StatusOr<std::unique_ptr<TokenSource>> FromFile(CredentialsOptions options, const std::string& file,
                                                      const std::string& named_by) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        "credentials ", file, named_by.empty() ? "" : absl::StrCat(" (", named_by, ")"), ": ", std::string(what)));
  };
  const absl::StatusOr<std::string> text = ReadTextFile(file);
  if (!text.ok()) return wrong(std::string(text.status().message()));
  const json object = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return wrong("it is not a JSON object");
  const std::string type = TextOf(object, "type");
  if (type == "service_account") {
    const std::string email = TextOf(object, "client_email");
    if (email.empty()) return wrong("it has no client_email");
    absl::StatusOr<SigningKey> key = SigningKey::FromPem(TextOf(object, "private_key"));
    if (!key.ok()) return wrong(absl::StrCat("private_key: ", key.status().message()));
    return std::make_unique<ServiceAccount>(std::move(options), file, email, TextOf(object, "private_key_id"),
                                            std::move(*key));
  }
  if (type == "authorized_user") {
    std::string form = "grant_type=refresh_token";
    for (const char* key : {"client_id", "client_secret", "refresh_token"}) {
      const std::string value = TextOf(object, key);
      if (value.empty()) return wrong(absl::StrCat("it has no ", key));
      absl::StrAppend(&form, "&", key, "=", UrlEncoded(value));
    }
    std::string token_uri = TextOf(object, "token_uri");
    if (token_uri.empty()) token_uri = "https://oauth2.googleapis.com/token";
    return std::make_unique<AuthorizedUser>(std::move(options), file, std::move(token_uri), std::move(form));
  }
  return wrong(absl::StrCat("its type is `", type, "`; service_account and authorized_user are understood"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenSource>> MakeTokenSource(CredentialsOptions options) {
  const auto variable = [&](const char* name) -> std::string {
    const char* value = options.environment ? options.environment(name) : std::getenv(name);
    return value != nullptr ? value : "";
  };
  constexpr char kVariable[] = "GOOGLE_APPLICATION_CREDENTIALS";
  const bool configured = !options.file.empty();
  std::string file = configured ? options.file : variable(kVariable);
  if (!file.empty()) return FromFile(std::move(options), file, configured ? "warehouse.credentials" : kVariable);

  std::string folder = variable("CLOUDSDK_CONFIG");
  if (const std::string home = variable("HOME"); folder.empty() && !home.empty()) folder = home + "/.config/gcloud";
  file = folder + "/application_default_credentials.json";
  if (!folder.empty() && std::ifstream(file).good()) return FromFile(std::move(options), file, "");

  if (!variable("NO_GCE_CHECK").empty()) {
    return absl::NotFoundError(
        "no credentials: name a key file in warehouse.credentials or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud "
        "auth application-default login`");
  }
  std::string host = variable("GCE_METADATA_HOST");
  if (host.empty()) host = "metadata.google.internal";
  return std::make_unique<MetadataServer>(std::move(options), std::move(host));
}

}  // namespace runledger::exporters
