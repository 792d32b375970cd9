#include "model/metric_labels.h"

#include "base/status.h"
#include "metrics/names.h"
#include "metrics/server_families.h"

namespace trident {

ModelLabels MetricLabelsOf(const ModelConfig& config, const ModelIdentity& model, int64_t version,
                           const std::string& gpu_uuid) {
  MetricLabels labels = {{"model", model.name}};
  if (!model.space.empty()) labels["namespace"] = model.space;
  if (!gpu_uuid.empty()) labels["gpu_uuid"] = gpu_uuid;
  for (const auto& [tag, value] : config.metric_tags) labels["_" + tag] = value;
  return {LabelText(labels) + ",", LabelText({{"version", std::to_string(version)}})};
}

std::vector<double> FirstResponseBounds(const ModelConfig& config, const Logger& logger) {
  std::vector<double> bounds = {100, 500, 2000, 5000};
  if (!config.model_metrics) return bounds;
  for (const MetricControl& control : config.model_metrics->metric_control) {
    const std::string& family = control.metric_identifier->family;
    if (family == kFirstResponse.name) {
      bounds = control.histogram_options->buckets;
    } else {
      TRIDENT_LOG(logger, LogLevel::kWarn, "model '", config.name,
                  "' configures buckets of metric family '", family, "', which has none");
    }
  }
  return bounds;
}

}  // namespace trident
