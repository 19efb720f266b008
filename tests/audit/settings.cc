#include "audit/settings.h"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <map>

namespace runledger::audit {
namespace {

using reference::Policy;

// A number followed by a unit, any number of times; the units' sizes are given.
std::optional<int64_t> Sum(const std::string& text, const std::map<std::string, double>& units) {
  double sum = 0;
  const char* at = text.c_str();
  if (*at == '\0') return std::nullopt;
  while (*at != '\0') {
    char* end = nullptr;
    const double number = std::strtod(at, &end);
    if (end == at) return std::nullopt;
    std::string unit;
    for (at = end; (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'); ++at) unit += *at;
    while (*at == ' ') ++at;
    const auto found = units.find(unit);
    if (found == units.end()) return std::nullopt;
    sum += number * found->second;
  }
  return static_cast<int64_t>(sum);
}

// Reads members of one YAML map into what they stand for; remembers the first that is not as it should be.
class Reader {
 public:
  Reader(const YAML::Node& map, std::string path, std::string* error)
      : map_(map), path_(std::move(path)), error_(error) {}

  void Duration(const char* name, int64_t* to) { Take(name, DurationOf(Text(name)), to); }
  template <typename T>
  void Size(const char* name, T* to) {
    Take(name, SizeOf(Text(name)), to);
  }
  template <typename T>
  void Count(const char* name, T* to) {
    Take(name, Sum(Text(name), {{"", 1}}), to);
  }
  void String(const char* name, std::string* to) {
    if (Has(name)) *to = Text(name);
  }
  void Flag(const char* name, bool* to) {
    if (Has(name)) *to = Text(name) == "true" || Text(name) == "yes";
  }

 private:
  // A section that is not there is no node, and its type cannot be asked for.
  bool Has(const char* name) const { return map_.IsDefined() && map_.IsMap() && map_[name].IsDefined(); }
  std::string Text(const char* name) const { return Has(name) && map_[name].IsScalar() ? map_[name].Scalar() : ""; }
  template <typename T>
  void Take(const char* name, std::optional<int64_t> value, T* to) {
    if (!Has(name)) return;
    if (value)
      *to = static_cast<T>(*value);
    else if (error_->empty())
      *error_ = path_ + "." + name;
  }

  const YAML::Node map_;
  const std::string path_;
  std::string* error_;
};

Policy PolicyOf(const YAML::Node& node, const std::string& path, Policy policy, std::string* error) {
  Reader reader(node, path, error);
  reader.Flag("enabled", &policy.enabled);
  reader.Duration("stale_after", &policy.stale_after_us);
  reader.Duration("heartbeat_silent_after", &policy.silent_after_us);
  reader.Duration("max_runtime", &policy.max_runtime_us);
  reader.Duration("staleness_threshold", &policy.staleness_us);
  reader.String("display_name", &policy.display_name);
  reader.String("phase", &policy.phase);
  reader.String("priority", &policy.priority);
  return policy;
}

Settings Read(const YAML::Node& root, const std::string& topic, std::string* error) {
  Settings settings;
  if (!root.IsMap()) return settings;
  Reader state(root["state"], "state", error);
  state.Duration("horizon", &settings.state.horizon_us);
  state.Count("closed_runs", &settings.state.closed_runs);
  state.Count("open_runs", &settings.state.open_runs);
  state.Count("days", &settings.state.days);
  state.Duration("forget_job_after", &settings.state.forget_job_after_us);
  Reader log(root["log"], "log", error);
  log.Duration("clock_step", &settings.state.clock_step_us);
  log.Duration("future_limit", &settings.limits.future_us);
  Reader limits(root["limits"], "limits", error);
  limits.Size("message_bytes", &settings.limits.message_bytes);
  limits.Size("inflated_bytes", &settings.limits.inflated_bytes);
  limits.Count("batch_events", &settings.limits.batch_events);
  limits.Count("json_depth", &settings.limits.json_depth);
  if (root["log"] && root["log"]["topics"]) {
    for (const YAML::Node& entry : root["log"]["topics"]) {
      if (!entry.IsMap() || !entry["name"] || entry["name"].Scalar() != topic) continue;
      Reader(entry, "log.topics", error).String("framing", &settings.framing);
    }
  }
  const YAML::Node jobs = root["jobs"];
  if (!jobs || !jobs.IsMap()) return settings;
  if (jobs["defaults"]) settings.policies.defaults = PolicyOf(jobs["defaults"], "jobs.defaults", {}, error);
  for (const auto& entry : jobs) {
    const std::string& name = entry.first.Scalar();
    if (name == "defaults") continue;
    settings.policies.rules.emplace_back(name,
                                         PolicyOf(entry.second, "jobs." + name, settings.policies.defaults, error));
  }
  return settings;
}

}  // namespace

std::optional<int64_t> DurationOf(const std::string& text) {
  return Sum(text, {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 6e7}, {"min", 6e7}, {"h", 3.6e9}, {"d", 8.64e10}});
}

std::optional<int64_t> SizeOf(const std::string& text) {
  return Sum(
      text,
      {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}});
}

absl::StatusOr<Settings> ParseSettings(const std::string& yaml, const std::string& topic) {
  try {  // the library throws
    std::string error;
    Settings settings = Read(YAML::Load(yaml), topic, &error);
    if (!error.empty()) return absl::InvalidArgumentError("the configuration has no good value for " + error);
    return settings;
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
}

}  // namespace runledger::audit
