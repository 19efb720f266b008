#include "simulation/expected_model.h"

#include <algorithm>
#include <string_view>

#include "runledger/v1/event.pb.h"
#include "simulation/world.h"

namespace runledger::simulation {
namespace {

constexpr int kWorkflows = 7;
constexpr std::array<const char*, 2> kSchedules = {"*/20 0-1 * * *", "10,50 0-1 * * *"};
constexpr std::array<std::string_view, 4> kWords = {"on_time", "early", "late", "missing"};  // as the block counts them

}  // namespace

std::vector<std::string> WorkflowNames() {
  std::vector<std::string> names = {kPlannedByOthers};
  for (int i = 1; i < kWorkflows; ++i) names.push_back("workflow-" + std::to_string(i));
  return names;
}

std::shared_ptr<const aggregators::WorkflowPolicies> Workflows(int instance) {
  std::vector<aggregators::WorkflowPolicyRule> rules;
  for (const std::string& name : WorkflowNames()) {
    aggregators::ScheduleSettings settings;
    settings.text = kSchedules[static_cast<size_t>(instance) % kSchedules.size()];
    aggregators::WorkflowPolicy policy;
    policy.late_after_us = policy.early_tolerance_us = 5 * kMinute;
    policy.match_window_us = 10 * kMinute;
    // The simulation begins at midnight.
    policy.plan.emplace(*aggregators::Schedule::Parse(settings), static_cast<int>(10 + 12 * rules.size()));
    rules.push_back({name, std::move(policy)});
  }
  return std::make_shared<aggregators::WorkflowPolicies>(aggregators::WorkflowPolicy(), std::move(rules));
}

bool IsWholeDay(const std::vector<int64_t>& ticks) {
  const std::vector<std::vector<int64_t>> minutes = {{0, 20, 40, 60, 80, 100}, {10, 50, 70, 110}};
  return std::any_of(minutes.begin(), minutes.end(), [&](const std::vector<int64_t>& day) {
    return std::equal(ticks.begin(), ticks.end(), day.begin(), day.end(),
                      [](int64_t tick, int64_t minute) { return tick == kStartUs + minute * kMinute; });
  });
}

void ExpectedModel::Add(const std::vector<reference::Event>& events) {
  for (const reference::Event& event : events) {
    v1::Event full;
    if ((event.body != "expected" && event.body != "verdict") || !full.ParseFromString(event.bytes)) continue;
    if (event.body == "verdict") {
      Workflow& workflow = workflows_[full.verdict().verdict_subject()];
      const auto row = workflow.rows.find(full.verdict().verdict_due_us());
      if (row == workflow.rows.end() || std::exchange(row->second.has_verdict, true)) continue;
      const auto word = std::find(kWords.begin(), kWords.end(), full.verdict().verdict());
      ++workflow.verdicts.at(static_cast<size_t>(word - kWords.begin()));
      continue;
    }
    const v1::ExpectedRun& run = full.expected();
    Workflow& workflow = workflows_[run.workflow()];
    const bool made = run.generated_by() == "runledger";
    const int32_t day = run.expected_date();
    if (made) {
      const std::pair<std::string, int64_t> as = {run.schedule_version(), run.locked_at_us()};
      if (day > workflow.made_day) {
        workflow.made_day = day;
        workflow.made_as = as;
      }
      if (day != workflow.made_day || as != workflow.made_as) continue;
    }
    const bool taken = std::any_of(workflow.rows.begin(), workflow.rows.end(), [&](const auto& entry) {
      return entry.second.day == day && entry.second.made != made;
    });
    if (!taken) workflow.rows.try_emplace(run.expected_run_time_us(), Row{day, made, false});
  }
}

std::vector<int64_t> ExpectedModel::Ticks(const std::string& workflow) const {
  std::vector<int64_t> ticks;
  if (const auto at = workflows_.find(workflow); at != workflows_.end()) {
    for (const auto& [due_us, row] : at->second.rows) ticks.push_back(due_us);
  }
  return ticks;
}

ExpectedModel::Verdicts ExpectedModel::CountOf(const std::string& workflow) const {
  const auto at = workflows_.find(workflow);
  return at == workflows_.end() ? Verdicts{} : at->second.verdicts;
}

bool ExpectedModel::HasVerdict(const std::string& workflow, int64_t due_us) const {
  const auto at = workflows_.find(workflow);
  if (at == workflows_.end()) return false;
  const auto row = at->second.rows.find(due_us);
  return row != at->second.rows.end() && row->second.has_verdict;
}

std::string ExpectedModel::DifferenceOf(const aggregators::OrchestrationBlock& shown, const ExpectedModel* base) const {
  const std::vector<std::string> ours = WorkflowNames();  // the generator has others, in JSON too
  for (size_t i = 0; i < shown.labels.size(); ++i) {
    if (shown.labels[i] == nullptr) continue;
    const std::string& name = shown.labels[i]->name;
    if (std::find(ours.begin(), ours.end(), name) == ours.end()) continue;
    const Verdicts all = CountOf(name), before = base != nullptr ? base->CountOf(name) : Verdicts{};
    for (size_t word = 0; word < all.size(); ++word) {
      if (shown.workflows[i].verdicts[word] == all[word] - before[word]) continue;
      return "verdicts " + std::string(kWords[word]) + " of " + name + ": " +
             std::to_string(shown.workflows[i].verdicts[word]) + ", not " + std::to_string(all[word] - before[word]);
    }
  }
  return "";
}

}  // namespace runledger::simulation
