#include "ingest/own_metrics.h"

namespace runledger::ingest {
namespace {

OwnMetrics::Counters& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

OwnMetrics::Gauges& Gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

OwnMetrics::OwnMetrics() : OwnMetrics(std::make_shared<prometheus::Registry>()) {}

OwnMetrics::OwnMetrics(std::shared_ptr<prometheus::Registry> registry)
    : events(Counter(*registry, "runledger_events_total", "Good events read from the log, by body and framing.")),
      events_rejected(Counter(*registry, "runledger_events_rejected_total",
                              "Events and records that could not be used, by category.")),
      dead_letters(
          Counter(*registry, "runledger_dead_letters_total",
                  "Dead letters that the log has acknowledged, by category: whatever was rejected, and events of "
                  "which one column was refused, which count as events all the same.")),
      dead_letters_truncated(Counter(*registry, "runledger_dead_letters_truncated_total",
                                     "Dead letters that their topic refused for their size: only the head of the value "
                                     "went there.")),
      partition_violations(Counter(*registry, "runledger_partition_violations_total",
                                   "Jobs seen in a partition that is not their home: the producer's partitioner "
                                   "differs from log.topics[].partitioner.")),
      warehouse_rows(Counter(*registry, "runledger_warehouse_rows_total", "Rows that are durable in the warehouse.")),
      warehouse_rows_in_flight(Gauge(*registry, "runledger_warehouse_rows_in_flight",
                                     "Rows handed to the warehouse and not acknowledged yet.")),
      warehouse_retries(
          Counter(*registry, "runledger_warehouse_retries_total", "Submissions that had to be made again.")),
      warehouse_circuit_open(Gauge(*registry, "runledger_warehouse_circuit_open",
                                   "1 while the warehouse takes no rows, of all or of some partitions.")),
      warehouse_append_duration(prometheus::BuildHistogram()
                                    .Name("runledger_warehouse_append_duration_seconds")
                                    .Help("Time from a submission to its acknowledgement.")
                                    .Register(*registry)),
      clock_unknown(Gauge(*registry, "runledger_clock_unknown",
                          "1 while the clocks of this machine and of brokers differ by more than log.clock_step, so "
                          "that no time is told to watermarks.")),
      state_lost(
          Counter(*registry, "runledger_state_lost_total",
                  "Partitions whose counters began again because their state had to be built from a part of the log.")),
      spool_events(Gauge(*registry, "runledger_spool_events",
                         "Events that producers of this machine left in spool.dir for want of the log.")),
      spool_bytes(Gauge(*registry, "runledger_spool_bytes", "What the files in spool.dir take of spool.max_bytes.")),
      spool_sent(Counter(*registry, "runledger_spool_sent_total",
                         "Events that this instance sent to the log out of spool.dir.")),
      config_reload_successful(Gauge(*registry, "runledger_config_last_reload_successful",
                                     "1 if the configuration was taken over when it was read last, 0 if it was refused "
                                     "and the one before it is still in use.")),
      config_reload_time(Gauge(*registry, "runledger_config_last_reload_success_timestamp_seconds",
                               "When a configuration was taken over last.")),
      ready(Gauge(*registry, "runledger_ready", "1 once every partition owned shows its series (as /readyz).")),
      build_info(Gauge(*registry, "runledger_build_info", "Always 1; the version is a label.")),
      registry_(std::move(registry)) {}

}  // namespace runledger::ingest
