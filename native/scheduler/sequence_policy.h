#pragma once

#include <memory>
#include <string>

#include "config/model_config.h"
#include "inference/sequence_state.h"
#include "scheduler/batch_policy.h"
#include "scheduler/sequence_controls.h"

namespace trident {

// How the sequences of a model share its instances; from its configuration.
struct SequencePolicy {
  size_t slots = 1;                    // sequences an instance holds at a time
  uint64_t max_idle_ns = 1000000000;   // a sequence with nothing to do for so long is ended
  bool iterative = false;              // ids are the scheduler's; the backend reschedules
  uint64_t max_queue_delay_ns = 0;     // direct: how long a batch may wait for more slots
  float minimum_slot_utilization = 0;  // direct: the part of the slots worth running at once
  BatchPolicy batching;                // oldest: which candidates run together
  bool preserve_ordering = false;      // oldest: responses leave in the order of their turns
  std::shared_ptr<const SequenceControls> controls;  // null: the model asks for none
  std::shared_ptr<const StateSpecs> states;          // null: the model has none
};

// From a complete, valid configuration. Initial states may lie in files: `model_directory`
// /initial_state/.
Result<SequencePolicy> MakeSequencePolicy(const ModelConfig& config,
                                          const std::string& model_directory);

// The direct strategy's rule, whole: `ready` slots (at least one) have a request, the oldest of
// which has waited since `oldest_ns`.
struct DirectDecision {
  bool run = false;
  uint64_t look_again_ns = kNever;
};
DirectDecision DecideDirect(size_t ready, uint64_t oldest_ns, const SequencePolicy& policy,
                            uint64_t now_ns);

}  // namespace trident
