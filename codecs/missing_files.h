#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runledger::codecs {

// A file that nobody has processed, as a cleanup found it.
struct MissingFile {
  std::string scraper_name;
  std::string gcs_path;
  std::optional<double> age_minutes;
  std::optional<bool> republished;
};

// The column missing_files of a cleanup: [{"scraper_name", "gcs_path", "triggered_at", "age_minutes", "republished"}].
// At most `most` files; elements that are no objects are left out. An age that is not told is what `cleanup_time_us`
// (microseconds since the epoch) says of triggered_at, in whole minutes. Nothing: it is no JSON array.
std::optional<std::vector<MissingFile>> ParseMissingFiles(std::string_view json, int64_t cleanup_time_us, size_t most);

}  // namespace runledger::codecs
