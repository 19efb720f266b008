#include "aggregators/job_table.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "codecs/hash.h"

namespace runledger::aggregators {
namespace {

constexpr uint32_t kDisabled = UINT32_MAX - 1;

struct HashOfName {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return codecs::Hash64(name); }
};
struct SameName {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

JobLabels LabelsOf(std::string_view name, const JobPolicy& policy) {
  return {std::string(name), policy.phase,          policy.display_name,
          policy.priority,   policy.stale_after_us, policy.staleness_threshold_us};
}

}  // namespace

struct JobTable::Index {
  absl::flat_hash_map<std::string, uint32_t, HashOfName, SameName> numbers;
};

JobTable::JobTable(std::shared_ptr<const JobPolicies> policies)
    : policies_(std::move(policies)), index_(std::make_unique<Index>()) {}
JobTable::~JobTable() = default;

uint32_t JobTable::Find(std::string_view name) const { return Find(name, codecs::Hash64(name)); }

uint32_t JobTable::Find(std::string_view name, uint64_t hash) const {
  const auto found = index_->numbers.find(name, hash);
  return found == index_->numbers.end() || found->second == kDisabled ? kNone : found->second;
}

uint32_t JobTable::Intern(std::string_view name, uint64_t hash, bool* is_new) {
  *is_new = false;
  const auto found = index_->numbers.find(name, hash);
  if (found != index_->numbers.end()) return found->second == kDisabled ? kNone : found->second;

  const JobPolicy& policy = policies_->Find(name);
  if (!policy.enabled) {
    index_->numbers.emplace(name, kDisabled);
    return kNone;
  }
  uint32_t number;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
    *jobs_[number] = Job();
  } else {
    number = end();
    jobs_.push_back(std::make_unique<Job>());
  }
  Fill(number, name, policy);
  *is_new = true;
  return number;
}

std::vector<uint32_t> JobTable::SetPolicies(std::shared_ptr<const JobPolicies> policies) {
  // Jobs point into them until they are given others.
  const std::shared_ptr<const JobPolicies> before = std::exchange(policies_, std::move(policies));
  absl::erase_if(index_->numbers, [](const auto& entry) { return entry.second == kDisabled; });
  std::vector<uint32_t> changed;
  for (uint32_t number = 0; number < end(); ++number) {
    if (!exists(number)) continue;
    Job& job = *jobs_[number];
    const JobPolicy& policy = policies_->Find(job.labels->name);
    const bool differs = policy != *job.policy;
    job.policy = &policy;
    index_->numbers[job.labels->name] = policy.enabled ? number : kDisabled;
    if (!differs) continue;
    changed.push_back(number);
    job.retired = !policy.enabled;
    JobLabels labels = LabelsOf(job.labels->name, policy);
    if (labels.phase.empty()) labels.phase = job.labels->phase;  // what a run said stays
    job.phase_fixed = !labels.phase.empty();
    job.labels = std::make_shared<JobLabels>(std::move(labels));
  }
  return changed;
}

void JobTable::Fill(uint32_t number, std::string_view name, const JobPolicy& policy) {
  Job& job = *jobs_[number];
  job.policy = &policy;
  job.phase_fixed = !policy.phase.empty();
  job.labels = std::make_shared<JobLabels>(LabelsOf(name, policy));
  index_->numbers.emplace(name, number);
}

bool JobTable::Restore(std::string_view name, uint32_t number) {
  const JobPolicy& policy = policies_->Find(name);
  if (!policy.enabled) return false;
  while (end() <= number) jobs_.push_back(std::make_unique<Job>());
  Fill(number, name, policy);
  return true;
}

void JobTable::FinishRestoring() {
  free_.clear();
  for (uint32_t number = end(); number-- > 0;) {
    if (!exists(number)) free_.push_back(number);
  }
}

void JobTable::Remove(uint32_t number) {
  Job& job = *jobs_[number];
  index_->numbers.erase(job.labels->name);
  job = Job();
  free_.push_back(number);
}

}  // namespace runledger::aggregators
