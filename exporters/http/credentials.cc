#include "exporters/http/credentials.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace runledger::exporters {
namespace {

// No early end: the time must not tell how much of a secret was right.
bool SameSecret(std::string_view given, std::string_view secret) {
  if (given.size() != secret.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < given.size(); ++i) difference |= static_cast<unsigned char>(given[i] ^ secret[i]);
  return difference == 0;
}

}  // namespace

std::string Base64(std::string_view text) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string encoded;
  for (size_t i = 0; i < text.size(); i += 3) {
    const size_t size = std::min<size_t>(3, text.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < size ? static_cast<unsigned char>(text[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) encoded += k <= size ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return encoded;
}

Credentials::Credentials(const AuthOptions& options) {
  if (!options.basic_user.empty() || !options.basic_password.empty()) {
    accepted_.push_back({"basic", Base64(options.basic_user + ":" + options.basic_password),
                         "Basic realm=\"runledger\", charset=\"UTF-8\""});
  }
  if (!options.bearer_token.empty())
    accepted_.push_back({"bearer", options.bearer_token, "Bearer realm=\"runledger\""});
}

bool Credentials::Accept(std::string_view authorization) const {
  if (!required()) return true;
  const size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos) return false;
  std::string scheme(authorization.substr(0, blank));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view secret = authorization.substr(blank);
  secret.remove_prefix(std::min(secret.find_first_not_of(' '), secret.size()));
  return std::any_of(accepted_.begin(), accepted_.end(), [&](const Accepted& accepted) {
    return accepted.scheme == scheme && SameSecret(secret, accepted.secret);
  });
}

Response Credentials::Refusal() const {
  Response refusal = Problem(401, "this path needs the credentials of section http.auth in the header Authorization");
  for (const Accepted& accepted : accepted_) refusal.headers.emplace_back("WWW-Authenticate", accepted.challenge);
  return refusal;
}

}  // namespace runledger::exporters
