#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "audit/series.h"

namespace runledger::audit {

// What one scrape says of one partition.
struct ScrapedPartition {
  std::optional<int64_t> applied_offset;
  std::optional<int64_t> acked_offset;
  std::optional<int64_t> watermark_us;
  bool restoring = false;
  SeriesValues series;  // of its jobs and phases, in order
};

// A body of /metrics, text 0.0.4 or OpenMetrics 1.0.
struct Scrape {
  std::string name;
  std::map<int32_t, ScrapedPartition> partitions;  // of the topic in question
  std::map<std::string, double> own;               // series of the process itself, by key; `topic` is kept
};

// InvalidArgument: the text is not in that format, with the line.
absl::StatusOr<Scrape> ParseScrape(const std::string& name, std::string_view text, const std::string& topic);

// Every file of the directory, by name.
absl::StatusOr<std::vector<Scrape>> ReadScrapes(const std::string& directory, const std::string& topic);

}  // namespace runledger::audit
