#pragma once

#include <optional>
#include <string>

#include "config/model_config.h"
#include "inference/request.h"

namespace trident::simulation {

// What a backend sees of a sequence, and what it does to its state: how the simulated models read
// and write what the sequence schedulers give them.

// Flags of a request; see TRITONSERVER_requestflag_enum.
inline constexpr uint32_t kStartFlag = 1;
inline constexpr uint32_t kEndFlag = 2;

struct Controls {
  std::optional<bool> start, end, ready;
  std::optional<CorrelationId> id;  // numbers as 64 bits of what the tensor holds
};
// The control tensors of `request`, as `config` declares them. A tensor that is missing, or has
// neither of the two values, is a violation.
Controls ReadControls(InferenceRequest& request, const ModelSequenceBatching& config);

// The first element of the state a request got; nothing when the model keeps none.
std::optional<float> ReadState(InferenceRequest& request, const ModelSequenceBatching& config);

// A state of `width` elements, the first of which is `value`.
void WriteState(InferenceRequest& request, const ModelSequenceBatching& config, float value,
                int64_t width);

// What follows a state; also the output of a model with state.
inline float NextState(float state, float in) {
  const float sum = state * 3 + in + 1;
  return sum < 65536 ? sum : sum - 65536 * static_cast<float>(static_cast<int>(sum / 65536));
}

}  // namespace trident::simulation
