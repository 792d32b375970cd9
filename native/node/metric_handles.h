#pragma once

#include "node/triton_util.h"

namespace trident {

// A family of custom metrics, and one of them, of this environment; metrics go first. JS thread
// only.
struct MetricFamilyHandle {
  TRITONSERVER_MetricFamily* family = nullptr;
  MetricFamilyHandle() = default;
  MetricFamilyHandle(const MetricFamilyHandle&) = delete;
  MetricFamilyHandle& operator=(const MetricFamilyHandle&) = delete;
  ~MetricFamilyHandle() { (void)TakeError(TRITONSERVER_MetricFamilyDelete(family)); }
};

struct MetricHandle {
  TRITONSERVER_Metric* metric = nullptr;
  MetricHandle() = default;
  MetricHandle(const MetricHandle&) = delete;
  MetricHandle& operator=(const MetricHandle&) = delete;
  ~MetricHandle() { (void)TakeError(TRITONSERVER_MetricDelete(metric)); }
};

}  // namespace trident
