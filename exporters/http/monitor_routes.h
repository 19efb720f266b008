#pragma once

#include <functional>
#include <vector>

#include "exporters/http/message.h"
#include "exporters/http/monitor_answers.h"

namespace runledger::exporters {

// Did it run, may downstream go on, shall it be tried now: /api/v1/check, /api/v1/gaps, /api/v1/upstream,
// /api/v1/jobs/{job}/upstream and /api/v1/jobs/{job}/discovery. `sources` is asked at each request, since
// settings may change; what it points to must outlive the server. Handlers run on any thread, and block for at most
// MonitorSources::timeout.
std::vector<Route> MonitorRoutes(const std::function<MonitorSources()>& sources);

}  // namespace runledger::exporters
