#include "tools/runledger/json_object.h"

#include <algorithm>

#include "codecs/json.h"
#include "codecs/utf8.h"

namespace runledger::tools {

std::string JsonQuoted(std::string_view text) {
  std::string json;
  codecs::AppendJsonString(codecs::Utf8OrReplacement(text), &json);
  return json;
}

JsonObject::JsonObject(const std::vector<std::pair<std::string, std::string>>& texts) {
  for (auto at = texts.begin(); at != texts.end(); ++at) {
    const bool again = std::any_of(at + 1, texts.end(), [&](const auto& later) { return later.first == at->first; });
    if (!again) AddText(at->first, at->second);
  }
}

void JsonObject::Add(std::string_view name, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  members_ += JsonQuoted(name);
  members_ += ':';
  members_ += json;
}

}  // namespace runledger::tools
