#include "exporters/http/monitor_answers.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "exporters/http/ask_shards.h"
#include "exporters/http/elsewhere.h"
#include "exporters/http/log_begins.h"

namespace runledger::exporters {
namespace {

using aggregators::FactsQuery;
using aggregators::JobFacts;
using aggregators::kNever;
using aggregators::Knowledge;
using aggregators::ShardFacts;
using Asked = ShardAnswer<ShardFacts>;

// What the partitions of this instance have in common.
struct Partitions {
  std::map<ingest::TopicPartition, const Asked*> asked;
  LogBegins begins;
  ingest::Fleet* fleet = nullptr;  // nullptr: there are no others
  bool all = false;                // every partition of every topic is here
};

Partitions PartitionsOf(const ingest::PartitionDirectory& directory, const std::vector<Asked>& asked) {
  Partitions partitions;
  for (const Asked& one : asked) {
    partitions.asked[one.partition] = &one;
    partitions.begins.Add(one.partition.topic, one.answer.began_us);
  }
  partitions.fleet = directory.fleet();
  partitions.all = OwnsAll(directory);
  return partitions;
}

// Puts together who may tell of a job: its homes, and whoever holds it.
void Know(const Partitions& partitions, std::set<const Asked*> telling, KnownJob* job) {
  const auto homes = partitions.fleet == nullptr ? std::nullopt : partitions.fleet->HomesOf(job->name);
  if (homes) {
    for (const ingest::TopicPartition& home : *homes) {
      const auto here = partitions.asked.find(home);
      if (here != partitions.asked.end()) {
        telling.insert(here->second);
      } else {
        job->known.whole = false;
        job->known.elsewhere = absl::StrCat("its events are in ", ToString(home), ", which another instance owns");
      }
    }
  } else {
    for (const auto& [partition, one] : partitions.asked) telling.insert(one);
    if (!partitions.all || partitions.asked.empty()) {
      job->known.whole = false;
      job->known.elsewhere = "other instances own partitions in which its events may be";
    }
  }
  bool any = false;
  for (const Asked* one : telling) {
    const ShardFacts& facts = one->answer;
    job->as_of.Add(one->watermark_us, one->caught_up);
    const int64_t began_us = partitions.begins.Of(one->partition.topic, facts.began_us, facts.whole_log);
    Knowledge& known = job->known;
    known.began_us = any ? LaterBegin(known.began_us, began_us) : began_us;
    known.days_kept = any ? std::min(known.days_kept, facts.days_kept) : facts.days_kept;
    known.log_day = std::max(known.log_day, facts.log_day);
    any = true;
  }
  job->known.watermark_us = job->as_of.watermark_us();
  job->known.caught_up = job->as_of.caught_up();
}

}  // namespace

absl::StatusOr<MonitorAnswers> AskForFacts(const MonitorSources& sources, const FactsQuery& query) {
  auto asked = AskShards<ShardFacts>(
      *sources.directory, [query](const aggregators::Shard& shard) { return shard.CollectFacts(query); },
      sources.timeout);
  if (!asked.ok()) return asked.status();

  MonitorAnswers answers;
  std::map<std::string, KnownJob, std::less<>> jobs;
  std::map<std::string, std::set<const Asked*>, std::less<>> holders;
  std::vector<std::string> wanted = query.jobs.empty() ? sources.policies->Names() : query.jobs;
  for (const std::string& name : wanted) jobs[name];
  for (Asked& one : *asked) {
    answers.as_of.Add(one.watermark_us, one.caught_up);
    for (JobFacts& facts : one.answer.jobs) {
      KnownJob& job = jobs[facts.name];
      holders[facts.name].insert(&one);
      if (job.facts) {
        job.facts->Merge(facts);
      } else {
        job.facts = std::move(facts);
      }
    }
  }
  const Partitions partitions = PartitionsOf(*sources.directory, *asked);
  for (auto& [name, job] : jobs) {
    job.name = name;
    job.policy = &sources.policies->Find(name);
    Know(partitions, holders[name], &job);
  }
  if (query.jobs.empty()) {
    for (auto& [name, job] : jobs) answers.jobs.push_back(std::move(job));
  } else {
    for (const std::string& name : wanted) answers.jobs.push_back(jobs.at(name));
  }
  return answers;
}

}  // namespace runledger::exporters
