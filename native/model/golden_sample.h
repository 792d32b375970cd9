#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/golden_tensor.h"

namespace trident {

using GoldenTensors = std::map<std::string, GoldenTensor>;  // by name

// What a request is expected to be answered with: inputs, the outputs of each response, and how
// exactly. Pure.
struct GoldenSample {
  GoldenTensors inputs;
  std::vector<GoldenTensors> responses;
  GoldenTolerance tolerance;
};

// A file of golden/, which docs/model-config.md describes. INVALID_ARG with the place and the
// reason for what is none.
Result<GoldenSample> ParseGoldenSample(std::string_view text);

// INTERNAL, with response, output, element, expected and found, for the first difference. Outputs
// that the sample does not name are not looked at.
Status CompareGoldenResponses(const GoldenSample& sample, const std::vector<GoldenTensors>& found);

}  // namespace trident
