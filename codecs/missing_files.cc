#include "codecs/missing_files.h"

#include <nlohmann/json.hpp>

#include "codecs/civil_time.h"
#include "codecs/json.h"

namespace runledger::codecs {
namespace {

std::string Text(const nlohmann::json& file, const char* name) {
  const auto found = file.find(name);
  return found != file.end() && found->is_string() ? found->get<std::string>() : std::string();
}

MissingFile FileOf(const nlohmann::json& element, int64_t cleanup_time_us) {
  MissingFile file{Text(element, "scraper_name"), Text(element, "gcs_path"), {}, {}};
  if (const auto age = element.find("age_minutes"); age != element.end() && age->is_number()) {
    file.age_minutes = age->get<double>();
  } else if (const auto triggered = ParseRfc3339(Text(element, "triggered_at"))) {
    constexpr int64_t kMinuteUs = 60'000'000;
    file.age_minutes = static_cast<double>((cleanup_time_us - *triggered) / kMinuteUs);
  }
  if (const auto sent = element.find("republished"); sent != element.end() && sent->is_boolean())
    file.republished = sent->get<bool>();
  return file;
}

}  // namespace

std::optional<std::vector<MissingFile>> ParseMissingFiles(std::string_view json, int64_t cleanup_time_us, size_t most) {
  if (!IsJson(json)) return std::nullopt;  // before the parser below, which recurses
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return std::nullopt;
  std::vector<MissingFile> files;
  for (const nlohmann::json& element : parsed) {
    if (files.size() == most) break;
    if (element.is_object()) files.push_back(FileOf(element, cleanup_time_us));
  }
  return files;
}

}  // namespace runledger::codecs
