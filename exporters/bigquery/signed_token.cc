#include "exporters/bigquery/signed_token.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace runledger::exporters {
namespace {

struct OpenSslDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter>;

// Of a key that wants a password there is no word from a terminal.
int NoPassword(char*, int, int, void*) { return 0; }

}  // namespace

struct SigningKey::Key {
  OpenSslPtr<EVP_PKEY> rsa;
};

SigningKey::SigningKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

absl::StatusOr<SigningKey> SigningKey::FromPem(const std::string& pem) {
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) return absl::ResourceExhaustedError("out of memory");
  OpenSslPtr<EVP_PKEY> rsa(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassword, nullptr));
  if (rsa == nullptr) return absl::InvalidArgumentError("it is not a private key in PEM");
  if (EVP_PKEY_base_id(rsa.get()) != EVP_PKEY_RSA) return absl::InvalidArgumentError("it is not an RSA key");
  auto key = std::make_unique<Key>();
  key->rsa = std::move(rsa);
  return SigningKey(std::move(key));
}

absl::StatusOr<std::string> SigningKey::Sign(const Claims& claims) const {
  nlohmann::json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!claims.key_id.empty()) header["kid"] = std::string(claims.key_id);
  const nlohmann::json body = {{"iss", std::string(claims.issuer)},
                               {"sub", std::string(claims.issuer)},
                               {"aud", std::string(claims.audience)},
                               {"iat", claims.issued_s},
                               {"exp", claims.expires_s}};
  const std::string input =
      absl::StrCat(absl::WebSafeBase64Escape(header.dump()), ".", absl::WebSafeBase64Escape(body.dump()));

  const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
  size_t size = 0;
  if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->rsa.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, input.size()) != 1)
    return absl::InternalError("the key does not sign");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, input.size()) !=
      1)
    return absl::InternalError("the key does not sign");
  signature.resize(size);
  return absl::StrCat(input, ".", absl::WebSafeBase64Escape(signature));
}

}  // namespace runledger::exporters
