#include "audit/scrape.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace runledger::audit {
namespace {

constexpr std::string_view kPrefix = "runledger_";

struct Sample {
  std::string name;  // without the prefix
  Labels labels;
  double value = 0;
};

// Reads `name{label="text",...} value ...`. False: it is not like that.
bool ParseSample(std::string_view line, Sample* sample) {
  const size_t name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos) return false;
  sample->name = std::string(line.substr(0, name_end));
  size_t at = name_end;
  if (line[at] == '{') {
    ++at;
    while (at < line.size() && line[at] != '}') {
      const size_t equals = line.find("=\"", at);
      if (equals == std::string_view::npos) return false;
      const std::string label(line.substr(at, equals - at));
      std::string text;
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size())
          text += line[++at] == 'n' ? '\n' : line[at];
        else
          text += line[at];
      }
      if (!sample->labels.emplace(label, text).second) return false;
      ++at;  // the quote
      if (at < line.size() && line[at] == ',') ++at;
    }
    if (at >= line.size()) return false;
    ++at;
  }
  if (at >= line.size() || line[at] != ' ') return false;
  const std::string rest(line.substr(at + 1));
  char* end = nullptr;
  sample->value = std::strtod(rest.c_str(), &end);
  return end != rest.c_str() && (*end == '\0' || *end == ' ');  // a timestamp or an exemplar may follow
}

int32_t PartitionOf(const Labels& labels) {
  const auto found = labels.find("partition");
  return found == labels.end() ? -1 : static_cast<int32_t>(std::strtol(found->second.c_str(), nullptr, 10));
}

void Take(const Sample& sample, const std::string& topic, Scrape* scrape) {
  const auto topic_label = sample.labels.find("topic");
  const int32_t number = PartitionOf(sample.labels);
  const bool of_shard = topic_label != sample.labels.end() && number >= 0;
  if (!of_shard) {
    Labels labels = sample.labels;
    if (topic_label != sample.labels.end()) labels["of_topic"] = topic_label->second;
    scrape->own[SeriesKey(sample.name, labels)] += sample.value;
    return;
  }
  if (topic_label->second != topic) return;
  ScrapedPartition& partition = scrape->partitions[number];
  if (sample.name == "log_applied_offset") partition.applied_offset = std::llround(sample.value);
  if (sample.name == "log_acked_offset") partition.acked_offset = std::llround(sample.value);
  if (sample.name == "log_watermark_timestamp_seconds") partition.watermark_us = std::llround(sample.value * 1e6);
  if (sample.name == "restoring") partition.restoring = sample.value != 0;
  const bool of_fold = sample.labels.count("processor") > 0 || sample.name.starts_with("phase_run_duration_seconds");
  if (of_fold && !sample.name.ends_with("_created")) {
    partition.series.emplace_back(SeriesKey(sample.name, sample.labels), sample.value);
  }
}

}  // namespace

absl::StatusOr<Scrape> ParseScrape(const std::string& name, std::string_view text, const std::string& topic) {
  Scrape scrape;
  scrape.name = name;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    Sample sample;
    if (!ParseSample(line, &sample)) {
      return absl::InvalidArgumentError(name + ":" + std::to_string(number) +
                                        " is no sample: " + std::string(line.substr(0, 200)));
    }
    if (!sample.name.starts_with(kPrefix)) continue;
    sample.name.erase(0, kPrefix.size());
    Take(sample, topic, &scrape);
  }
  for (auto& [partition, scraped] : scrape.partitions) std::sort(scraped.series.begin(), scraped.series.end());
  return scrape;
}

absl::StatusOr<std::vector<Scrape>> ReadScrapes(const std::string& directory, const std::string& topic) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  if (error) return absl::NotFoundError("scrapes: " + directory + ": " + error.message());
  std::sort(paths.begin(), paths.end());
  std::vector<Scrape> scrapes;
  for (const std::filesystem::path& path : paths) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    absl::StatusOr<Scrape> scrape = ParseScrape(path.filename().string(), text, topic);
    if (!scrape.ok()) return scrape.status();
    scrapes.push_back(std::move(*scrape));
  }
  return scrapes;
}

}  // namespace runledger::audit
