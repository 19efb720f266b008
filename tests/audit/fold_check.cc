#include "audit/fold_check.h"

#include <algorithm>
#include <string_view>

namespace runledger::audit {

FoldCheck::FoldCheck(const reference::FoldOptions& options, const reference::Policies& policies,
                     const std::vector<Scrape>& scrapes, Report* report)
    : options_(options), policies_(policies), scrapes_(scrapes), report_(*report) {
  for (const Scrape& scrape : scrapes) {
    report_.Checked("scrapes");
    bool shows = false;
    for (const auto& [number, partition] : scrape.partitions) {
      if (partition.restoring || !partition.applied_offset) {
        if (!partition.series.empty()) {
          report_.Differs("scrapes",
                          scrape.name + " partition " + std::to_string(number) + " shows jobs without a position");
        }
        continue;
      }
      shows = shows || !partition.series.empty();
      stops_[number].push_back({*partition.applied_offset, &scrape, &partition});
    }
    if (!shows) report_.Differs("scrapes", scrape.name + " shows no job at all");
  }
  for (auto& [number, stops] : stops_) {
    std::stable_sort(stops.begin(), stops.end(),
                     [](const Stop& a, const Stop& b) { return a.applied_offset > b.applied_offset; });
  }
}

reference::Fold& FoldCheck::FoldOf(int32_t partition) {
  return folds_.try_emplace(partition, options_, policies_).first->second;
}

void FoldCheck::Add(const LogRecord& record, const std::vector<reference::Event>& events) {
  Reach(record.partition, record.offset);
  FoldOf(record.partition).Add(record.timestamp_us, record.by_broker, events);
  ends_[record.partition] = record.offset + 1;
}

void FoldCheck::Reach(int32_t partition, int64_t offset) {
  const auto found = stops_.find(partition);
  if (found == stops_.end()) return;
  std::vector<Stop>& stops = found->second;
  while (!stops.empty() && stops.back().applied_offset <= offset) {
    Compare(partition, stops.back());
    stops.pop_back();
  }
}

void FoldCheck::Finish() {
  for (auto& [partition, stops] : stops_) {
    for (const Stop& stop : stops) {
      if (stop.applied_offset <= ends_[partition]) continue;
      report_.Differs("scrapes", stop.scrape->name + " partition " + std::to_string(partition) + " is at " +
                                     std::to_string(stop.applied_offset) + ", beyond the end of the log at " +
                                     std::to_string(ends_[partition]));
    }
    Reach(partition, ends_[partition]);
  }
}

// Of a job that has moved: gauges, but for the one that adds up over partitions.
bool FoldCheck::MayBeMissing(int32_t partition, const std::string& key) const {
  constexpr std::string_view kLabel = "processor=";
  const size_t label = key.find(kLabel);
  if (!moved_ || label == std::string::npos) return false;
  const std::string name = key.substr(0, key.find('{'));
  const bool counter = name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count");
  if (counter || name == "runs_running") return false;
  const size_t begin = label + kLabel.size();
  return moved_(partition, key.substr(begin, key.find_first_of(",}", begin) - begin));
}

void FoldCheck::Compare(int32_t partition, const Stop& stop) {
  const SeriesValues expected = ExpectedSeries(FoldOf(partition), stop.partition->watermark_us);
  const SeriesValues& actual = stop.partition->series;
  const std::string where = stop.scrape->name + " partition " + std::to_string(partition) + " at offset " +
                            std::to_string(stop.applied_offset) + ": ";
  report_.Checked("series in scrapes", static_cast<int64_t>(expected.size()));
  report_.Checked(stop.partition->watermark_us ? "partitions in scrapes, judged at a watermark"
                                               : "partitions in scrapes, not judged");
  size_t a = 0;
  for (const auto& [key, value] : expected) {
    for (; a < actual.size() && actual[a].first < key; ++a)
      report_.Differs("series that should not be there", where + actual[a].first);
    if (a == actual.size() || actual[a].first != key) {
      if (!MayBeMissing(partition, key))
        report_.Differs("series that are missing", where + key + " = " + PlainNumber(value));
      continue;
    }
    if (!SameValue(key, value, actual[a].second)) {
      report_.Differs("values of series",
                      where + key + " is " + PlainNumber(actual[a].second) + ", should be " + PlainNumber(value));
    }
    ++a;
  }
  for (; a < actual.size(); ++a) report_.Differs("series that should not be there", where + actual[a].first);
}

bool FoldCheck::last_scrape_is_final() const {
  if (scrapes_.empty()) return false;
  return std::all_of(ends_.begin(), ends_.end(), [&](const auto& entry) {
    const auto found = scrapes_.back().partitions.find(entry.first);
    return found != scrapes_.back().partitions.end() && found->second.applied_offset == entry.second &&
           found->second.acked_offset == entry.second;
  });
}

}  // namespace runledger::audit
