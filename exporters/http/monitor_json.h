#pragma once

#include "aggregators/day_verdicts.h"
#include "aggregators/discovery.h"
#include "aggregators/job_check.h"
#include "exporters/http/json_answer.h"
#include "exporters/http/monitor_answers.h"

namespace runledger::exporters {

// Verdicts on jobs and dates as answers show them.

Json DatesJson(const std::vector<int32_t>& dates);
Json UpstreamJson(const KnownJob& job, const aggregators::DayVerdict& verdict);
// `gaps` of the dates from..to.
Json GapsJson(const KnownJob& job, const aggregators::Gaps& gaps, int32_t from, int32_t to);
Json CheckJson(const KnownJob& job, const aggregators::JobCheck& check);
// What follows from the "jobs" of a check, each as CheckJson has it: sets "status", "level", "summary" and "alerts".
// `known`: the log is known to its end, of all that was asked.
void SumUpCheck(bool known, Json* answer);
Json DiscoveryJson(const KnownJob& job, const aggregators::Discovery& discovery);

}  // namespace runledger::exporters
