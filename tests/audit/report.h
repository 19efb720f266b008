#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace runledger::audit {

// What was checked and what was found to differ. Keeps the first few of each kind in words, and counts all.
class Report {
 public:
  explicit Report(size_t keep = 10) : keep_(keep) {}

  // `about`: rows, dead letters, scrapes, ledger.
  void Checked(const std::string& about, int64_t count = 1) { checked_[about] += count; }
  void Differs(const std::string& about, const std::string& text) {
    Findings& findings = differing_[about];
    if (++findings.count <= static_cast<int64_t>(keep_)) findings.first.push_back(text);
  }
  // A line of the summary that is no difference.
  void Note(const std::string& text) { notes_.push_back(text); }

  bool clean() const { return differing_.empty(); }
  int64_t differences() const;
  int64_t differences(const std::string& about) const;
  std::string ToText() const;

 private:
  struct Findings {
    int64_t count = 0;
    std::vector<std::string> first;
  };

  const size_t keep_;
  std::map<std::string, int64_t> checked_;
  std::map<std::string, Findings> differing_;
  std::vector<std::string> notes_;
};

}  // namespace runledger::audit
