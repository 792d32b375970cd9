#pragma once

#include <string>
#include <vector>

#include "backends/common/json.h"
#include "backends/common/status.h"

namespace trident::backend {

// An input that the sequence scheduler adds to each request: where the request stands in its
// sequence, as one element.
struct SequenceControl {
  std::string name;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
};

// A tensor that the scheduler keeps from one request of a sequence to the next: it comes as an
// input, and the backend hands the new value back as a state. `dims` without the batch dimension.
struct SequenceState {
  std::string input;
  std::string output;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> dims;
};

struct SequenceConfig {
  std::vector<SequenceControl> controls;
  std::vector<SequenceState> states;
};

// The model configuration's sequence_batching; empty without.
Status ReadSequenceConfig(const Json& config, SequenceConfig* sequence);

}  // namespace trident::backend
