#include "tools/runledger/complaint.h"

#include <cstdio>

#include "tools/runledger/exit_status.h"

namespace runledger::tools {

int Complain(std::string_view text, int exit_status) {
  do {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) std::fprintf(stderr, "runledger: %.*s\n", static_cast<int>(line.size()), line.data());
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  } while (!text.empty());
  return exit_status;
}

int Complain(const absl::Status& status) {
  const std::string_view text(status.message().data(), status.message().size());
  return Complain(text, absl::IsInvalidArgument(status) ? kWrongUse : kUnknown);
}

}  // namespace runledger::tools
