#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "config/model_config.h"
#include "model/model_identity.h"

namespace trident {

// The labels of all metrics of one version of a model, as text, in the order of their names. In
// two parts: a label "reason" has its place between them. Immutable after construction.
struct ModelLabels {
  std::string head;  // the tags that the configuration gives, gpu_uuid, model, namespace; a comma
  std::string tail;  // version
};
// `gpu_uuid`: of the only GPU the model is on, or empty.
ModelLabels MetricLabelsOf(const ModelConfig& config, const ModelIdentity& model, int64_t version,
                           const std::string& gpu_uuid);

// The bounds, in milliseconds, of nv_inference_first_response_histogram_ms: the configuration's or
// Triton's. Warns of a configuration for another family.
std::vector<double> FirstResponseBounds(const ModelConfig& config, const Logger& logger);

}  // namespace trident
