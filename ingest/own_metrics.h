#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace runledger::ingest {

// Metrics of this process itself (names.md), which start at zero with it. Their families lock: callers add up on their
// own and increment once a batch. Per-job series are not here: they come from the shards. Any thread.
class OwnMetrics {
 public:
  OwnMetrics();

  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  prometheus::Registry& registry() { return *registry_; }

  Counters& events;           // topic, body, framing
  Counters& events_rejected;  // category
  Counters& dead_letters;     // category
  Counters& dead_letters_truncated;
  Counters& partition_violations;  // topic
  Counters& warehouse_rows;        // table
  Gauges& warehouse_rows_in_flight;
  Counters& warehouse_retries;
  Gauges& warehouse_circuit_open;
  Histograms& warehouse_append_duration;
  Gauges& clock_unknown;
  Counters& state_lost;  // topic, partition
  Gauges& spool_events;
  Gauges& spool_bytes;
  Counters& spool_sent;
  Gauges& config_reload_successful;
  Gauges& config_reload_time;
  Gauges& ready;
  Gauges& build_info;

 private:
  OwnMetrics(std::shared_ptr<prometheus::Registry> registry);
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace runledger::ingest
