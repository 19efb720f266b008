#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace runledger::exporters {

// Audiences of self-signed tokens (cloud.google.com/bigquery/docs/json-web-tokens): the service's address with a slash.
inline constexpr std::string_view kStorageAudience = "https://bigquerystorage.googleapis.com/";  // gRPC
inline constexpr std::string_view kRestAudience = "https://bigquery.googleapis.com/";

// Where access tokens come from. Any thread.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // A token for the service of that audience, good for some minutes at least: the value of the header `authorization`
  // is "Bearer " and this. Kept until shortly before it expires, and for as long as it lasts where a new one cannot be
  // had. May block for as long as a request to a token server takes. Unavailable: try again later; Unauthenticated: the
  // credentials are of no use as they are. No text of a status holds a secret.
  virtual absl::StatusOr<std::string> Token(std::string_view audience) = 0;
  // What they are, for the log: "the service account x@y of /etc/key.json".
  virtual std::string Description() const = 0;
};

struct CredentialsOptions {
  std::string file;     // warehouse.credentials: a key file or a user file; empty: Application Default Credentials
  std::string ca_file;  // warehouse.ca_file, for token servers
  // Wall clock, microseconds since the Unix epoch.
  std::function<int64_t()> now_us;
  // Environment variables by name, nullptr where one is not set; for tests. Empty: the process's own.
  std::function<const char*(const char*)> environment;
  std::chrono::milliseconds metadata_timeout = std::chrono::seconds(5);  // for an answer of the metadata server
};

// Application Default Credentials in their usual order: the file that GOOGLE_APPLICATION_CREDENTIALS names; the file
// that `gcloud auth application-default login` leaves (application_default_credentials.json in CLOUDSDK_CONFIG, else in
// ~/.config/gcloud); the metadata server of the machine (GCE_METADATA_HOST, else metadata.google.internal), which is
// asked when the first token is.
// InvalidArgument: the file is not there or is of no use; NotFound: the metadata server is turned off (NO_GCE_CHECK)
// and there is no file.
//
//   file's type          token
//   service_account      a JWT that the key signs itself (RS256, one hour), no server is asked
//   authorized_user      OAuth 2 refresh token grant at token_uri
// Others (external_account, impersonated_service_account) are refused by name.
absl::StatusOr<std::unique_ptr<TokenSource>> MakeTokenSource(CredentialsOptions options);

}  // namespace runledger::exporters
