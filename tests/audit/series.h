#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reference/fold.h"

namespace runledger::audit {

using Labels = std::map<std::string, std::string>;

// One name for a series: "runs_finished_total{phase=x,processor=y,status=failed}", labels sorted, without those that
// are empty, without `topic` and `partition`, without the prefix; `le` as a plain number.
std::string SeriesKey(const std::string& name, const Labels& labels);

// Every series that a partition must show, by key, in order.
using SeriesValues = std::vector<std::pair<std::string, double>>;
SeriesValues ExpectedSeries(const reference::Fold& fold, std::optional<int64_t> watermark_us);

// Equal as far as a text of a double goes; times to the microsecond.
bool SameValue(const std::string& key, double expected, double actual);

// "+Inf", "0.5", "3600".
std::string PlainNumber(double value);

}  // namespace runledger::audit
