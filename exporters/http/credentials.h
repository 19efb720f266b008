#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/http/message.h"

namespace runledger::exporters {

// Who may ask: section http.auth. Nothing set: everybody.
struct AuthOptions {
  std::string basic_user = {};      // http.auth.user
  std::string basic_password = {};  // http.auth.password
  std::string bearer_token = {};    // http.auth.token
};

// Checks the header Authorization; either scheme is enough if both are set. Unchanging: any thread.
class Credentials {
 public:
  explicit Credentials(const AuthOptions& options);

  bool required() const { return !accepted_.empty(); }
  // Takes as long for a wrong secret as for the right one of the same length.
  bool Accept(std::string_view authorization) const;
  // 401, naming the schemes.
  Response Refusal() const;

 private:
  struct Accepted {
    std::string scheme;  // lower case
    std::string secret;
    std::string challenge;
  };
  std::vector<Accepted> accepted_;
};

std::string Base64(std::string_view text);

}  // namespace runledger::exporters
