#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "audit/report.h"
#include "audit/scrape.h"
#include "reference/decode.h"
#include "reference/fold.h"

namespace runledger::audit {

// What the log amounts to, and whether the generator's ledger and the process's own counters say the same.
class LedgerCheck {
 public:
  explicit LedgerCheck(Report* report) : report_(*report) {}

  void Count(const reference::Decoded& decoded);

  // `ledger`: JSON as the generator writes it.
  absl::Status CheckLedger(const std::string& ledger, const std::map<int32_t, reference::Fold>& folds);
  // Of a process that has read the whole log since it started.
  void CheckOwnCounters(const Scrape& scrape, const std::string& topic);

 private:
  void Number(const std::string& what, int64_t in_log, int64_t in_ledger);

  Report& report_;
  int64_t records_ = 0;
  int64_t good_ = 0;
  int64_t refused_rows_ = 0;
  std::map<std::string, int64_t> rows_by_kind_;
  std::map<std::string, int64_t> rejected_;
  std::map<std::pair<std::string, std::string>, int64_t> bodies_;
};

}  // namespace runledger::audit
