#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <functional>
#include <string>

#include "ingest/own_metrics.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Sends what producers of this user left in spool.dir, now and every few seconds, until `stop`; keeps the spool's
// metrics. What waits for long is a problem (subject, text; an empty text: well again) with its reason.
void WatchSpool(const Config& config, spdlog::logger* logger,
                const std::function<void(const std::string&, const std::string&)>& problem, ingest::OwnMetrics* metrics,
                const std::atomic<bool>& stop);

}  // namespace runledger::tools
