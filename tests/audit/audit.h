#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "audit/log_reader.h"
#include "audit/report.h"

namespace runledger::audit {

// What is to be checked. Whatever is empty is left out.
struct AuditOptions {
  std::string topic = "runledger.events";
  std::string dead_letter_topic;  // read from the same brokers
  std::string scrapes;            // directory of saved bodies of /metrics
  std::string sqlite;             // warehouse file
  std::string ledger;             // the generator's
  std::string config;             // runledger's own configuration file
  // The process that was scraped has read the whole log since it started, alone: its own counters must agree too.
  bool fresh = false;
  // How many partitions the topic had, one number after the other, if it grew; keys are job names, by murmur2. Gauges
  // of a job whose home was a partition and is no longer may be missing there, because its new home shows them.
  std::vector<int32_t> partition_counts;
};

// Reads a topic and hands over its records, as ReadTopic does.
using TopicReader = std::function<absl::Status(const std::string& topic, const RecordVisitor& visit)>;

// Compares what a run of runledger left behind with an independent reading of its log. Not OK: something could not be
// read; differences are in the report.
absl::Status Audit(const AuditOptions& options, const TopicReader& read, Report* report);

}  // namespace runledger::audit
