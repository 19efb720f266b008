#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "audit/log_reader.h"
#include "audit/report.h"
#include "audit/scrape.h"
#include "reference/decode.h"
#include "reference/fold.h"

namespace runledger::audit {

// Folds every partition of the log once, and on the way compares each scrape with what the fold holds at that scrape's
// own position, judged at its own watermark.
class FoldCheck {
 public:
  // `scrapes` must outlive this.
  FoldCheck(const reference::FoldOptions& options, const reference::Policies& policies,
            const std::vector<Scrape>& scrapes, Report* report);

  // The next record, and its good events.
  // Whether a job's home was this partition and is no longer: then its gauges may be missing.
  using Moved = std::function<bool(int32_t partition, const std::string& job)>;
  void SetMoved(Moved moved) { moved_ = std::move(moved); }

  void Add(const LogRecord& record, const std::vector<reference::Event>& events);
  // There are no more records: what is left of the scrapes must be at the end.
  void Finish();

  const std::map<int32_t, reference::Fold>& folds() const { return folds_; }
  // True if the last scrape shows every partition at its end, with all rows durable.
  bool last_scrape_is_final() const;

 private:
  struct Stop {
    int64_t applied_offset;
    const Scrape* scrape;
    const ScrapedPartition* partition;
  };

  reference::Fold& FoldOf(int32_t partition);
  // Compares what stands at or before the offset.
  void Reach(int32_t partition, int64_t offset);
  void Compare(int32_t partition, const Stop& stop);
  bool MayBeMissing(int32_t partition, const std::string& key) const;

  const reference::FoldOptions options_;
  const reference::Policies policies_;
  const std::vector<Scrape>& scrapes_;
  Report& report_;
  Moved moved_;
  std::map<int32_t, reference::Fold> folds_;
  std::map<int32_t, std::vector<Stop>> stops_;  // by position, the first last
  std::map<int32_t, int64_t> ends_;             // one more than the last offset
};

}  // namespace runledger::audit
