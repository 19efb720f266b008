#include "tools/runledger/ask_fleet.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace runledger::tools {
namespace {

// What tells one entry of a list from another: a job, a workflow, a run, an expected run.
Json KeyOf(const Json& entry) {
  Json key = Json::array();
  for (const char* name : {"name", "job", "run_id", "attempt", "workflow", "expected_at"}) {
    if (entry.contains(name)) key.push_back(entry[name]);
  }
  return key;
}

// `more` is as old as `all`, or older.
void AddAsOf(const Json& more, Json* all) {
  if (ParseTime(more["as_of"]) < ParseTime((*all)["as_of"])) (*all)["as_of"] = more["as_of"];
  (*all)["caught_up"] = all->value("caught_up", false) && more.value("caught_up", false);
}

// Where each job tells how far it is known, the whole is known as far as its jobs are.
void TakeAsOfFrom(const Json& entries, Json* all) {
  if (entries.empty() || !entries.front().contains("as_of")) return;
  (*all)["as_of"] = entries.front()["as_of"];
  (*all)["caught_up"] = true;
  for (const Json& entry : entries) AddAsOf(entry, all);
}

// An instance that does not have the job's partition has nothing to say of it.
bool IsUnknown(const Json& entry) {
  if (entry.contains("status")) return entry["status"] == "unknown";
  return entry.contains("unknown") && entry["unknown"].is_array() && !entry["unknown"].empty();
}

// Of two entries about one job: both may be unknown, and only the owner of its partition can say why.
bool KnowsMore(const Json& entry, const Json& than) {
  const bool heard = entry.value("caught_up", true), than_heard = than.value("caught_up", true);
  return heard != than_heard ? heard : IsUnknown(than) && !IsUnknown(entry);
}

void PutTogether(const Json& more, const char* list, Json* all) {
  Json& entries = (*all)[list];
  for (const Json& entry : more[list]) {
    const Json key = KeyOf(entry);
    const auto same = std::find_if(entries.begin(), entries.end(), [&](const Json& one) { return KeyOf(one) == key; });
    if (same == entries.end()) {
      entries.push_back(entry);
    } else if (KnowsMore(entry, *same)) {
      *same = entry;
    }
  }
  if (more.value("more", false)) (*all)["more"] = true;
  // The latest; nothing, if of one nothing is known.
  if (more.contains("known_from") && !(*all)["known_from"].is_null() &&
      (more["known_from"].is_null() || ParseTime(more["known_from"]) > ParseTime((*all)["known_from"])))
    (*all)["known_from"] = more["known_from"];
  for (const char* each : {"problems", "to_be_made"}) {
    if (!more.contains(each)) continue;
    if (!all->contains(each)) (*all)[each] = Json::array();
    for (const Json& one : more[each]) (*all)[each].push_back(one);
  }
}

}  // namespace

std::optional<Json> AskFleet(const InstanceAddress& instance, const std::string& path, const char* member, int* status,
                             const std::function<void(const Json& more, Json* all)>& add) {
  std::optional<Json> all = Ask(instance, path, status);
  if (!all || all->value("complete", true)) return all;
  int ignored = 0;
  const std::optional<Json> owners = Ask(instance, "/api/v1/partitions", &ignored);
  if (!owners) return all;
  bool complete = true;
  std::set<std::string> addresses;
  for (const Json& partition : (*owners)["partitions"]) {
    if (partition["here"] == true) continue;
    if (partition["owner"].is_string()) {
      addresses.insert(partition["owner"].get<std::string>());
    } else {
      complete = false;  // nobody has it yet
    }
  }
  for (const std::string& address : addresses) {
    InstanceAddress other = instance;
    other.url = address;
    const std::optional<Json> more = Ask(other, path, &ignored);
    if (!more || !more->contains(member)) {
      complete = false;  // what was wrong has been said
    } else {
      add(*more, &*all);
      AddAsOf(*more, &*all);
    }
  }
  (*all)["complete"] = complete;
  (*all)["instances"] = addresses.size() + 1;
  return all;
}

std::optional<Json> AskFleet(const InstanceAddress& instance, const std::string& path, const char* list, int* status) {
  std::optional<Json> all = AskFleet(instance, path, list, status,
                                     [list](const Json& more, Json* together) { PutTogether(more, list, together); });
  if (all && all->contains("instances")) TakeAsOfFrom((*all)[list], &*all);
  return all;
}

}  // namespace runledger::tools
