#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runledger::tools {

// The text as a JSON string; malformed UTF-8 is replaced.
std::string JsonQuoted(std::string_view text);

// Builds one JSON object.
class JsonObject {
 public:
  JsonObject() = default;
  // Members of texts. A name that comes again replaces what it was.
  explicit JsonObject(const std::vector<std::pair<std::string, std::string>>& texts);

  // `json` is JSON text.
  void Add(std::string_view name, std::string_view json);
  void AddText(std::string_view name, std::string_view text) { Add(name, JsonQuoted(text)); }
  bool empty() const { return members_.empty(); }
  std::string Text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace runledger::tools
