#include "audit/report.h"

namespace runledger::audit {

int64_t Report::differences() const {
  int64_t sum = 0;
  for (const auto& [about, findings] : differing_) sum += findings.count;
  return sum;
}

int64_t Report::differences(const std::string& about) const {
  const auto found = differing_.find(about);
  return found == differing_.end() ? 0 : found->second.count;
}

std::string Report::ToText() const {
  std::string text;
  for (const auto& [about, count] : checked_) text += "checked " + std::to_string(count) + " " + about + "\n";
  for (const std::string& note : notes_) text += note + "\n";
  for (const auto& [about, findings] : differing_) {
    text += "DIFFERENT " + about + ": " + std::to_string(findings.count) + "\n";
    for (const std::string& one : findings.first) text += "  " + one + "\n";
  }
  text += clean() ? "no difference\n" : std::to_string(differences()) + " differences\n";
  return text;
}

}  // namespace runledger::audit
