#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/common/batch_io.h"
#include "backends/common/json.h"
#include "backends/common/sequence_config.h"
#include "backends/common/status.h"
#include "triton/core/tritonbackend.h"

namespace trident::backend {

// One input or output as the model's configuration declares it. `dims` are those that the backend
// sees (a reshape is applied) without the batch dimension.
struct TensorConfig {
  std::string name;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> dims;
  bool has_reshape = false;
  bool optional = false;
  bool ragged = false;  // the requests of a batch may have different shapes
};

// The part of a model's configuration that backends use, and the whole as JSON.
// Immutable after construction.
struct ModelConfig {
  std::string name;
  uint64_t version = 0;
  std::string directory;  // of this version
  int64_t max_batch_size = 0;
  std::vector<TensorConfig> inputs;
  std::vector<TensorConfig> outputs;
  std::vector<BatchInput> batch_inputs;
  std::vector<BatchOutput> batch_outputs;
  SequenceConfig sequence;
  std::map<std::string, std::string, std::less<>> parameters;  // their string values
  Json json;

  bool batched() const { return max_batch_size > 0; }
  // The parameter's value; null when it is not set.
  const std::string* Parameter(std::string_view key) const;
  // Whether the model's input `name` comes from the server or its backend, never from a client: a
  // sequence control, a state, a batch input.
  bool IsSupplied(std::string_view name) const;
  // Null when there is none.
  const SequenceState* FindStateOutput(std::string_view name) const;
  const BatchOutput* FindBatchOutput(std::string_view name) const;
};

Status ReadModelConfig(TRITONBACKEND_Model* model, ModelConfig* config);

// A JSON array of integers.
Status ReadDims(const std::vector<Json>& items, std::vector<int64_t>* dims);

// "TYPE_FP32" as TRITONSERVER_TYPE_FP32, and back; TYPE_STRING is BYTES.
TRITONSERVER_DataType DatatypeOfConfig(std::string_view name);
std::string ConfigNameOf(TRITONSERVER_DataType datatype);

// "[2,-1]", for messages.
std::string ShapeText(const int64_t* dims, size_t count);
inline std::string ShapeText(const std::vector<int64_t>& dims) {
  return ShapeText(dims.data(), dims.size());
}

// The value of a parameter as an integer; INVALID_ARG names the model, key and text otherwise.
Status ParseIntParameter(const ModelConfig& config, std::string_view key, const std::string& text,
                         int64_t min, int64_t max, int64_t* value);

}  // namespace trident::backend
