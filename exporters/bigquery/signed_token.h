#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace runledger::exporters {

// A private RSA key that signs JSON Web Tokens (RFC 7519, RS256 of RFC 7518). Any thread; nothing changes in it.
class SigningKey {
 public:
  // `pem`: PKCS#8 or PKCS#1, unencrypted. InvalidArgument: it is none, or not RSA.
  static absl::StatusOr<SigningKey> FromPem(const std::string& pem);
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  struct Claims {
    std::string_view issuer;  // also the subject
    std::string_view key_id;  // may be empty
    std::string_view audience;
    int64_t issued_s = 0;   // seconds since the Unix epoch
    int64_t expires_s = 0;  // likewise
  };
  absl::StatusOr<std::string> Sign(const Claims& claims) const;

 private:
  struct Key;
  explicit SigningKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

}  // namespace runledger::exporters
