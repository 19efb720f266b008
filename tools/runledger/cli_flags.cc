#include "tools/runledger/cli_flags.h"

#include <CLI/CLI.hpp>
#include <optional>

#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

// Added to a steady clock's nanoseconds it must not overflow.
constexpr std::chrono::microseconds kLongest = std::chrono::hours(24) * 36'500;

}  // namespace

void AddParsedFlag(CLI::App* app, const std::string& flag, const std::string& type, const std::string& help,
                   const std::string& what, std::function<bool(const std::string&)> take) {
  const auto parse = [flag, what, take = std::move(take)](const std::string& text) {
    if (!take(text)) throw CLI::ValidationError(flag, "'" + text + "' is not " + what);
  };
  app->add_option_function<std::string>(flag, parse, help)->type_name(type);
}

void AddDurationFlag(CLI::App* app, const std::string& flag, const std::string& help,
                     std::chrono::microseconds* value) {
  AddParsedFlag(app, flag, "DURATION", help + " [" + FormatDuration(value->count()) + "]",
                "a duration such as 90s, 4h or 0, and at most 36500d", [value](const std::string& text) {
                  const std::optional<int64_t> parsed = ParseDuration(text);
                  if (!parsed || *parsed > kLongest.count()) return false;
                  *value = std::chrono::microseconds(*parsed);
                  return true;
                });
}

void AddPairsFlag(CLI::App* app, const std::string& flag, const std::string& help, TextPairs* pairs) {
  const auto parse = [flag, pairs](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      const size_t equals = text.find('=');
      if (equals == 0 || equals == text.npos) throw CLI::ValidationError(flag, "'" + text + "' is not NAME=VALUE");
      pairs->emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  };
  // One value a flag: otherwise the next word would be taken for another value.
  app->add_option_function<std::vector<std::string>>(flag, parse, help)
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->take_all();
}

}  // namespace runledger::tools
