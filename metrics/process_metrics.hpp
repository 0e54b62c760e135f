#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace route::metrics {

/// A gauge or counter of one value, made for one exposition.
prometheus::MetricFamily gauge(std::string name, std::string help, double value);
prometheus::MetricFamily counter(std::string name, std::string help, double value);

/// The standard `process_*` of this process, read from /proc now; those that can not be read are left out.
std::vector<prometheus::MetricFamily> process_metrics();

}  // namespace route::metrics
