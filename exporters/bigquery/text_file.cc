#include "exporters/bigquery/text_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace runledger::exporters {

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char buffer[1 << 12];
  // read() keeps to itself what the stream's iterators would throw, of a directory say.
  while (in && (in.read(buffer, sizeof buffer), in.gcount() > 0)) text.append(buffer, static_cast<size_t>(in.gcount()));
  if (!in.is_open() || in.bad())
    return absl::InvalidArgumentError(absl::StrCat("the file cannot be read: ", std::strerror(errno)));
  return text;
}

}  // namespace runledger::exporters
