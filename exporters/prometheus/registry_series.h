#pragma once

#include <prometheus/metric_family.h>

#include "exporters/prometheus/exposition_writer.h"

namespace runledger::exporters {

// Writes a family as prometheus-cpp collects it. Its units come from the catalogue; one that is not there has none.
void WriteFamily(const prometheus::MetricFamily& family, ExpositionWriter* writer);

}  // namespace runledger::exporters
