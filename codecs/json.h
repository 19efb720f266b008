#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace runledger::codecs {

// JSON that arrives from outside, read with nlohmann's streaming parser: iterative, UTF-8 checked, numbers kept to the
// digit. Nothing here throws.

// BigQuery's bound on the nesting of a JSON value.
inline constexpr int kMaxJsonColumnDepth = 500;

bool IsJson(std::string_view text, int max_depth = kMaxJsonColumnDepth);

// Why the text is no JSON, with the place; empty if it is. Nesting deeper than `max_depth` is `*too_deep`.
std::string JsonError(std::string_view text, int max_depth, bool* too_deep);

// Key names whose members are removed. Compared without case, '_' and '-': "api_key" is also "apiKey" and "API-KEY".
class SecretNames {
 public:
  SecretNames() = default;
  explicit SecretNames(const std::vector<std::string>& names);
  bool Matches(std::string_view key) const;
  bool empty() const { return names_.empty(); }

 private:
  std::vector<std::string> names_;  // normalised, sorted
};

// The JSON text without the members that are named like a secret, at any depth. REQUIRES: IsJson(text).
std::string RemoveSecrets(std::string_view text, const SecretNames& secrets);

// The column `errors` in its one shape, [{"error_type", "error_message"}]: plain text (JSON or not) and strings within
// an array become objects, an object becomes an array of one; anything else stays. A blank text is no error: as a whole
// it gives an empty result, which is NULL, and within an array it goes.
std::string WrapErrors(std::string_view text);

// error_type and error_message of the first element of wrapped errors; empty where absent.
struct FirstError {
  std::string type;
  std::string message;
};
FirstError FirstOfErrors(std::string_view wrapped);

// Appends the text as a JSON string, quotes included. REQUIRES: UTF-8.
void AppendJsonString(std::string_view text, std::string* out);

// The elements of a JSON array, as they stand in the text. REQUIRES: IsJson(text) and it is an array.
std::vector<std::string_view> SplitJsonArray(std::string_view text);

}  // namespace runledger::codecs
