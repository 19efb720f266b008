#include "aggregators/job_table.h"

#include <string>

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

}  // namespace

struct JobTable::Index {
  absl::flat_hash_map<std::string, uint32_t, HashOfName, SameName> numbers;
};

JobTable::JobTable(std::shared_ptr<const JobPolicies> policies)
    : policies_(std::move(policies)), index_(std::make_unique<Index>()) {}
JobTable::~JobTable() = default;

uint32_t JobTable::Find(std::string_view name) const {
  const auto found = index_->numbers.find(name);
  return found == index_->numbers.end() || found->second == kDisabled ? kNone : found->second;
}

uint32_t JobTable::Intern(std::string_view name, bool* is_new) {
  *is_new = false;
  const auto found = index_->numbers.find(name);
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

void JobTable::Fill(uint32_t number, std::string_view name, const JobPolicy& policy) {
  Job& job = *jobs_[number];
  job.policy = &policy;
  job.name_hash = codecs::Hash64(name);
  job.phase_fixed = !policy.phase.empty();
  job.labels =
      std::make_shared<JobLabels>(JobLabels{std::string(name), policy.phase, policy.display_name, policy.priority,
                                            policy.stale_after_us, policy.staleness_threshold_us});
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
