#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "reference/decode.h"
#include "reference/fold.h"
#include "reference/policy.h"

namespace runledger::audit {

// What of runledger's configuration the fold depends on. An independent reading of the same file.
struct Settings {
  reference::FoldOptions state;
  reference::Limits limits;
  reference::Policies policies;
  std::string framing = "auto";  // of the topic
};

// Of YAML text; whatever is not set keeps its default. InvalidArgument: what it reads is not as it should be.
absl::StatusOr<Settings> ParseSettings(const std::string& yaml, const std::string& topic);

// "4h", "90s", "1h30m", "250ms" in microseconds; "8MiB" in bytes.
std::optional<int64_t> DurationOf(const std::string& text);
std::optional<int64_t> SizeOf(const std::string& text);

}  // namespace runledger::audit
