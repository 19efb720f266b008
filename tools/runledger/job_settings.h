#pragma once

#include <functional>
#include <string>

#include "aggregators/job_policy.h"
#include "aggregators/schedule/work_days.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Tells what is wrong with a key of an entry of `jobs` or `workflows`: "schedule", and a sentence.
using EntryProblem = std::function<void(const std::string& key, const std::string& text)>;

// What the keys of earlier days say is put where ours are; they are empty then. `inherited`: the entry as `defaults`
// made it, before its own keys were read. `name` becomes the job that processor_filter names, if there is one; the
// entry's own name stays in policy.key.
void TakeSeedKeys(const JobEntry& inherited, JobEntry* entry, std::string* name, const EntryProblem& problem);

// The whole policy of an entry that has been read.
aggregators::JobPolicy PolicyOf(const JobEntry& entry, const std::string& default_zone,
                                const aggregators::Calendars& calendars, const EntryProblem& problem);

aggregators::WorkflowPolicy PolicyOf(const WorkflowEntry& entry, const std::string& default_zone,
                                     const aggregators::Calendars& calendars, const EntryProblem& problem);

}  // namespace runledger::tools
