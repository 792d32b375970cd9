#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace trident {

// Values equal tritonserver_metrickind_enum.
enum class MetricKind : int { kCounter = 0, kGauge = 1, kHistogram = 2 };

// "TRITONSERVER_METRIC_KIND_COUNTER" and so on.
const char* MetricKindName(MetricKind kind);

using MetricLabels = std::map<std::string, std::string>;

// What Prometheus takes for the name of a family or label.
bool IsFamilyName(std::string_view name);
bool IsLabelName(std::string_view name);

// INVALID_ARG for names that Prometheus would not take.
Status CheckFamilyName(const std::string& name);
Status CheckLabels(MetricKind kind, const MetricLabels& labels);

// a="1",b="2": in the order of their names, with the values escaped.
std::string LabelText(const MetricLabels& labels);

}  // namespace trident
