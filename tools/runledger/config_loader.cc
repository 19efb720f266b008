#include "tools/runledger/config_loader.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/str_split.h"
#include "codecs/utf8.h"
#include "ingest/kafka/types.h"
#include "tools/runledger/config_checks.h"
#include "tools/runledger/job_settings.h"
#include "tools/runledger/units.h"

extern char** environ;

namespace runledger::tools {
namespace {

// Collects problems; a key is set from a YAML node or from a variable's text.
class Loader {
 public:
  explicit Loader(std::string file) : file_(std::move(file)) {}

  void Load(const YAML::Node& root, Config* config, const Environment& environment) {
    const std::vector<Key> keys = DescribeKeys(config);
    const std::string default_dir = std::exchange(config->state_dir, kNotSet);
    if (root.IsDefined() && !root.IsNull()) Walk(root, "", keys);
    for (const Key& key : keys) {
      const auto variable = environment.find(VariableOf(key.path));
      if (variable != environment.end()) {
        variables_[key.path] = "$" + variable->first;
        FromText(key, variable->second, variables_[key.path]);
      }
      if (const auto* map = std::get_if<TextMapKey>(&key.target)) FromVariables(key.path, *map, environment);
    }
    FinishEntries(config);
    CheckVariables(keys, environment);
    // One place for snapshots: a topic that is named takes the place of the default directory.
    if (config->state_dir == kNotSet) config->state_dir = config->state_kafka_topic.empty() ? default_dir : "";
    CheckConfig(*config, [this](const std::string& key, const std::string& text) { Problem(Where(key), text); });
  }

  const std::vector<std::string>& problems() const { return problems_; }

 private:
  static constexpr char kNotSet[] = "\x01";  // no name of a directory

  static std::string VariableOf(const std::string& path) {
    std::string name = "RUNLEDGER_" + path;
    for (char& c : name) c = c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
  }

  std::string At(const YAML::Node& node) const { return file_ + ":" + std::to_string(node.Mark().line + 1); }
  void Problem(const std::string& where, const std::string& text) { problems_.push_back(where + ": " + text); }

  void Walk(const YAML::Node& node, const std::string& prefix, const std::vector<Key>& keys) {
    if (!node.IsMap())
      return Problem(At(node), (prefix.empty() ? std::string("the file") : prefix) + " must hold keys");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string name = entry.first.as<std::string>("");
      const std::string path = prefix.empty() ? name : prefix + "." + name;
      if (!seen.insert(name).second) Problem(At(entry.first), path + " is set twice");
      const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.path == path; });
      if (key != keys.end()) {
        FromNode(*key, entry.second);
      } else if (std::any_of(keys.begin(), keys.end(), [&](const Key& k) { return k.path.starts_with(path + "."); })) {
        if (!entry.second.IsNull()) Walk(entry.second, path, keys);
      } else {
        Unknown(At(entry.first), path, NamesBelow(prefix, keys));
      }
    }
  }

  static std::vector<std::string> NamesBelow(const std::string& prefix, const std::vector<Key>& keys) {
    std::vector<std::string> names;
    const std::string start = prefix.empty() ? "" : prefix + ".";
    for (const Key& key : keys) {
      if (!key.path.starts_with(start)) continue;
      const std::string rest = key.path.substr(start.size());
      names.push_back(start + rest.substr(0, rest.find('.')));
    }
    return names;
  }

  void Unknown(const std::string& where, const std::string& path, const std::vector<std::string>& known) {
    Problem(where, UnknownKey(path, known));
  }

  void FromNode(const Key& key, const YAML::Node& node) {
    if (node.IsNull()) return;  // the key alone: the default
    if (const auto* list = std::get_if<TextListKey>(&key.target)) {
      list->values->clear();
      if (!node.IsSequence()) return Problem(At(node), key.path + " takes a list");
      for (const auto& entry : node) list->values->push_back(entry.as<std::string>(""));
    } else if (const auto* map = std::get_if<TextMapKey>(&key.target)) {
      if (!node.IsMap()) return Problem(At(node), key.path + " takes names and values");
      for (const auto& entry : node) (*map->values)[entry.first.as<std::string>("")] = entry.second.as<std::string>("");
    } else if (const auto* lists = std::get_if<TextListsKey>(&key.target)) {
      if (!node.IsMap()) return Problem(At(node), key.path + " takes names and lists");
      for (const auto& entry : node) {
        const std::string name = entry.first.as<std::string>("");
        FromNode({key.path + "." + name, TextListKey{&(*lists->lists)[name]}, ""}, entry.second);
      }
    } else if (const auto* topics = std::get_if<TopicsKey>(&key.target)) {
      Topics(node, topics->topics);
    } else if (std::holds_alternative<JobsKey>(key.target)) {
      Entries(node, "jobs", &jobs_);
    } else if (std::holds_alternative<WorkflowsKey>(key.target)) {
      Entries(node, "workflows", &workflows_);
    } else if (node.IsScalar()) {
      FromText(key, node.Scalar(), At(node));
    } else {
      Problem(At(node), key.path + " takes one value");
    }
  }

  void FromText(const Key& key, const std::string& text, const std::string& where) {
    if (const auto* target = std::get_if<TextKey>(&key.target)) {
      const auto& choices = target->choices;
      if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
        std::string all;
        for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
        return Problem(where, key.path + ": '" + text + "' is not one of " + all);
      }
      // As when the place that a secret comes from is empty: nobody means "none" by that.
      if (target->secret && text.empty())
        return Problem(where, key.path + " is set and empty; leave it out where none is wanted");
      *target->value = text;
    } else if (const auto* duration = std::get_if<DurationKey>(&key.target)) {
      const auto us = ParseDuration(text);
      if (!us) return Problem(where, key.path + ": '" + text + "' is not a duration like 4h, 90s or 2d");
      if (*us < duration->min_us || *us > duration->max_us) {
        return Problem(where, key.path + ": " + text + " is outside " + FormatDuration(duration->min_us) + " to " +
                                  FormatDuration(duration->max_us));
      }
      *duration->us = *us;
    } else if (const auto* size = std::get_if<SizeKey>(&key.target)) {
      const auto bytes = ParseSize(text);
      if (!bytes) return Problem(where, key.path + ": '" + text + "' is not a size like 8MiB");
      if (*bytes < size->min || *bytes > size->max) {
        return Problem(
            where, key.path + ": " + text + " is outside " + FormatSize(size->min) + " to " + FormatSize(size->max));
      }
      *size->bytes = *bytes;
    } else if (const auto* number = std::get_if<NumberKey>(&key.target)) {
      int64_t value = 0;
      const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || at != text.data() + text.size())
        return Problem(where, key.path + ": '" + text + "' is not a whole number");
      if (value < number->min || value > number->max) {
        return Problem(where, key.path + ": " + text + " is outside " + std::to_string(number->min) + " to " +
                                  std::to_string(number->max));
      }
      *number->value = value;
    } else if (const auto* list = std::get_if<TextListKey>(&key.target)) {
      *list->values = absl::StrSplit(text, ',', absl::SkipEmpty());
    } else if (const auto* topics = std::get_if<TopicsKey>(&key.target)) {
      topics->topics->clear();
      for (const auto name : absl::StrSplit(text, ',', absl::SkipEmpty()))
        AddTopic(where, {.name = std::string(name)}, topics->topics);
    } else {
      Problem(where, key.path + " cannot be set by a variable");
    }
  }

  // Each variable with that prefix is a name of the map: RUNLEDGER_LOG_LIBRDKAFKA_SASL_PASSWORD is sasl.password.
  void FromVariables(const std::string& path, const TextMapKey& key, const Environment& environment) {
    const std::string prefix = VariableOf(path) + "_";
    for (auto at = environment.lower_bound(prefix); at != environment.end() && at->first.starts_with(prefix); ++at) {
      const auto& [variable, value] = *at;
      std::string name = variable.substr(prefix.size());
      for (char& c : name) c = c == '_' ? key.underscore : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (value.empty()) {
        Problem("$" + variable, "is set and empty; leave it out where none is wanted");
      } else {
        (*key.values)[name] = value;
        variables_[path + "." + name] = "$" + variable;
      }
    }
  }

  void Topics(const YAML::Node& node, std::vector<ingest::TopicOptions>* topics) {
    topics->clear();
    if (!node.IsSequence()) return Problem(At(node), "log.topics takes a list");
    for (const auto& entry : node) {
      ingest::TopicOptions topic;
      if (entry.IsScalar()) {
        topic.name = entry.Scalar();
      } else if (entry.IsMap()) {
        std::string own = "true", keyed_by = "job", partitioner = "murmur2", framing = "auto";
        const std::vector<Key> keys = {
            {"log.topics.name", TextKey{&topic.name, {}}, ""},
            {"log.topics.own", TextKey{&own, {"true", "false"}}, ""},
            {"log.topics.key", TextKey{&keyed_by, {"job", "run"}}, ""},
            {"log.topics.partitioner", TextKey{&partitioner, {"murmur2", "crc32", "none"}}, ""},
            {"log.topics.framing", TextKey{&framing, {"auto", "protobuf", "batch", "json"}}, ""}};
        Walk(entry, "log.topics", keys);
        topic.own = own == "true";
        topic.keyed_by_job = keyed_by == "job";
        topic.partitioner = partitioner == "murmur2" ? kafka::Partitioner::kMurmur2
                            : partitioner == "crc32" ? kafka::Partitioner::kCrc32
                                                     : kafka::Partitioner::kNone;
        topic.framing = codecs::FramingFromName(framing).value_or(codecs::Framing::kAuto);
      }
      AddTopic(At(entry), topic, topics);
    }
    if (topics->empty()) Problem(At(node), "log.topics: at least one topic must be read");
  }

  void AddTopic(const std::string& where, const ingest::TopicOptions& topic,
                std::vector<ingest::TopicOptions>* topics) {
    if (topic.name.empty()) return Problem(where, "log.topics: an entry without name");
    if (const std::string wrong = TopicNameProblem("log.topics", topic.name); !wrong.empty()) Problem(where, wrong);
    const auto same = [&](const ingest::TopicOptions& other) { return other.name == topic.name; };
    if (std::any_of(topics->begin(), topics->end(), same))
      Problem(where, "log.topics: " + topic.name + " is listed twice");
    topics->push_back(topic);
  }

  // What an entry of `jobs` or `workflows` says over what it inherits. Schedules need zones and calendars, which may
  // stand anywhere in the file: the entries wait until all is read.
  template <typename Entry>
  struct ReadEntry {
    std::string name;  // "defaults", which comes first; a name or a pattern
    YAML::Node node;
    Entry entry;
  };

  // `*name`: see TakeSeedKeys.
  JobEntry Read(const YAML::Node& node, const JobEntry& inherited, std::string* name) {
    JobEntry entry = inherited;
    const std::string prefix = "jobs." + *name;
    WalkEntry(node, prefix, DescribeJobKeys(&entry));
    TakeSeedKeys(inherited, &entry, name, ProblemsOf(node, prefix));
    return entry;
  }
  WorkflowEntry Read(const YAML::Node& node, const WorkflowEntry& inherited, std::string* name) {
    WorkflowEntry entry = inherited;
    WalkEntry(node, "workflows." + *name, DescribeWorkflowKeys(&entry));
    return entry;
  }
  void WalkEntry(const YAML::Node& node, const std::string& prefix, std::vector<Key> keys) {
    for (Key& key : keys) key.path = prefix + "." + key.path;
    if (!node.IsNull()) Walk(node, prefix, keys);
  }

  EntryProblem ProblemsOf(const YAML::Node& node, const std::string& prefix) {
    return [this, node, prefix](const std::string& key, const std::string& text) {
      const YAML::Node at = node.IsMap() ? node[key] : YAML::Node();
      Problem(At(at.IsDefined() && !at.IsNull() ? at : node), prefix + "." + key + ": " + text);
    };
  }

  template <typename Entry>
  void Entries(const YAML::Node& node, const std::string& section, std::vector<ReadEntry<Entry>>* entries) {
    if (!node.IsMap()) return Problem(At(node), section + " takes names or patterns");
    Entry defaults;
    defaults.schedule.time_zone.clear();
    std::string name = "defaults";
    const YAML::Node given = node["defaults"];
    if (given.IsDefined()) defaults = Read(given, defaults, &name);
    entries->push_back({"defaults", given.IsDefined() ? given : node, defaults});
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>("");
      if (key.empty()) Problem(At(entry.first), section + ": a name is empty");
      name = key;
      const Entry read = key == "defaults" ? defaults : Read(entry.second, defaults, &name);
      if (!seen.insert(name).second) Problem(At(entry.first), section + "." + name + " is set twice");
      if (key != "defaults") entries->push_back({name, entry.second, read});
    }
  }

  void FinishEntries(Config* config) {
    aggregators::Calendars calendars;
    for (const auto& [name, dates] : config->calendars) {
      auto parsed = aggregators::ParseDates(dates, {});
      if (parsed.ok()) {
        calendars[name] = *std::move(parsed);
      } else {
        Problem(file_, "calendars." + name + ": " + std::string(parsed.status().message()));
      }
    }
    // A slip in the general zone is told once, by CheckConfig, and those of the entries beside it.
    const bool zone_is_good = aggregators::TimeZone::Load(config->time_zone).ok();
    FinishJobs(calendars, zone_is_good ? config->time_zone : "UTC", config);
    FinishWorkflows(calendars, zone_is_good ? config->time_zone : "UTC", config);
  }

  void FinishJobs(const aggregators::Calendars& calendars, const std::string& default_zone, Config* config) {
    aggregators::JobPolicy defaults =
        PolicyOf(JobEntry{.schedule = {.time_zone = ""}}, default_zone, calendars, [](auto&, auto&) {});
    std::vector<aggregators::JobPolicyRule> rules;
    for (const ReadEntry<JobEntry>& read : jobs_) {
      const std::string& key = read.entry.policy.key;
      const std::string prefix = "jobs." + (key.empty() ? read.name : key);
      aggregators::JobPolicy policy = PolicyOf(read.entry, default_zone, calendars, ProblemsOf(read.node, prefix));
      if (policy.lookback_days >= config->days && policy.schedule)
        Problem(At(read.node), prefix + ".lookback_days: " + std::to_string(policy.lookback_days) +
                                   " dates cannot be looked at where state.days keeps " + std::to_string(config->days));
      if (read.name == "defaults") {
        defaults = std::move(policy);
      } else {
        rules.push_back({read.name, std::move(policy)});
      }
    }
    config->policies = aggregators::JobPolicies(std::move(defaults), std::move(rules));
  }

  void FinishWorkflows(const aggregators::Calendars& calendars, const std::string& default_zone, Config* config) {
    aggregators::WorkflowPolicy defaults;
    std::vector<aggregators::WorkflowPolicyRule> rules;
    for (const ReadEntry<WorkflowEntry>& read : workflows_) {
      const std::string prefix = "workflows." + read.name;
      aggregators::WorkflowPolicy policy = PolicyOf(read.entry, default_zone, calendars, ProblemsOf(read.node, prefix));
      if (read.name == "defaults") {
        defaults = std::move(policy);
        continue;
      }
      const bool pattern = read.name.find('*') != std::string::npos;
      if (pattern && read.node["schedule"].IsDefined())
        Problem(At(read.node), prefix +
                                   ".schedule: of a pattern nobody knows which workflows there are; write it where a "
                                   "workflow stands under its whole name, or under defaults");
      if (policy.plan && policy.enabled && !pattern) CheckDays(At(read.node), prefix, *config);
      rules.push_back({read.name, std::move(policy)});
    }
    config->workflows = aggregators::WorkflowPolicies(std::move(defaults), std::move(rules));
  }

  // The expected runs of a day are one message, which must be written and read again.
  void CheckDays(const std::string& where, const std::string& prefix, const Config& config) {
    if (!config.topics.empty() && !config.topics.front().own)
      Problem(where, prefix + ".schedule: expected runs are written to the first of log.topics, and " +
                         config.topics.front().name + " is not ours (own: false)");
    const auto least = [&](const std::string& key, int64_t value, int64_t needed, const std::string& text) {
      if (value < needed)
        Problem(where, prefix + ".schedule: the expected runs of a day are one message, so " + key +
                           " must be at least " + text);
    };
    least("limits.batch_events", config.batch_events, aggregators::kMostTicksOfDay,
          std::to_string(aggregators::kMostTicksOfDay));
    least("limits.message_bytes", config.message_bytes, kLeastMessage, FormatSize(kLeastMessage));
    least("limits.inflated_bytes", config.inflated_bytes, kLeastInflated, FormatSize(kLeastInflated));
  }
  // kMostTicksOfDay events with the longest names that there can be.
  static constexpr int64_t kLeastMessage = int64_t{256} << 10;
  static constexpr int64_t kLeastInflated = int64_t{4} << 20;

  // A variable that begins like a section of ours but names no key is most likely a slip.
  void CheckVariables(const std::vector<Key>& keys, const Environment& environment) {
    std::vector<std::string> known;
    std::set<std::string> sections, maps, files;
    for (const Key& key : keys) {
      known.push_back(VariableOf(key.path));
      if (std::holds_alternative<JobsKey>(key.target) || std::holds_alternative<WorkflowsKey>(key.target) ||
          std::holds_alternative<TextListsKey>(key.target))
        files.insert(VariableOf(key.path) + "_");
      if (std::holds_alternative<TextMapKey>(key.target)) maps.insert(VariableOf(key.path) + "_");
      if (const size_t dot = key.path.find('.'); dot != std::string::npos)
        sections.insert(VariableOf(key.path.substr(0, dot)) + "_");
    }
    for (const auto& [name, value] : environment) {
      const auto begins = [&name](const std::string& prefix) { return name.starts_with(prefix); };
      const bool ours =
          std::any_of(sections.begin(), sections.end(), begins) && std::none_of(maps.begin(), maps.end(), begins);
      if (std::any_of(files.begin(), files.end(), begins))
        Problem("$" + name, "jobs, workflows and calendars cannot be set by variables: write them in the file");
      if (ours && std::find(known.begin(), known.end(), name) == known.end()) Unknown("$" + name, name, known);
    }
  }

  // Where the key was set: a variable, else the file.
  std::string Where(const std::string& path) const {
    const auto variable = variables_.find(path);
    return variable == variables_.end() ? file_ : variable->second;
  }

  std::string file_;
  std::map<std::string, std::string> variables_;  // by key, those that were set
  std::vector<std::string> problems_;
  std::vector<ReadEntry<JobEntry>> jobs_;
  std::vector<ReadEntry<WorkflowEntry>> workflows_;
};

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string::npos && text.starts_with("RUNLEDGER_"))
      environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

absl::StatusOr<Config> LoadConfig(const std::string& text, const std::string& file_name,
                                  const Environment& environment) {
  Config config;
  YAML::Node root;
  if (!codecs::IsUtf8(text)) return absl::InvalidArgumentError(file_name + ": the file is not UTF-8");
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      return absl::InvalidArgumentError(file_name + ": has " + std::to_string(documents.size()) +
                                        " documents (lines of ---); the configuration is one");
    if (!documents.empty()) root = documents.front();
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(file_name + ":" + std::to_string(e.mark.line + 1) + ": not YAML: " + e.msg);
  }
  Loader loader(file_name);
  try {
    loader.Load(root, &config, environment);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(file_name + ":" + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
  if (loader.problems().empty()) return config;
  std::string all;
  for (const std::string& problem : loader.problems()) all += (all.empty() ? "" : "\n") + problem;
  return absl::InvalidArgumentError(all);
}

std::string ConfigFileOf(const std::string& path, const Environment& environment) {
  if (!path.empty()) return path;
  const auto variable = environment.find("RUNLEDGER_CONFIG");
  return variable == environment.end() ? "" : variable->second;
}

absl::StatusOr<Config> LoadConfigFile(const std::string& path, const Environment& environment) {
  const std::string file = ConfigFileOf(path, environment);
  if (file.empty()) return LoadConfig("", "environment and defaults", environment);
  std::ifstream stream(file);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  // A directory opens like a file and cannot be read.
  std::error_code error;
  if (!stream || stream.bad() || std::filesystem::is_directory(file, error))
    return absl::NotFoundError("the configuration file " + file + " cannot be read");
  return LoadConfig(text.str(), file, environment);
}

}  // namespace runledger::tools
