#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backends/common/json.h"
#include "backends/common/status.h"

namespace trident::backend {

// An input that no request has: a backend makes it from the shapes which one input, the source, has
// in the requests of a batch.
struct BatchInput {
  enum class Kind {
    kElementCount,             // per request, its number of elements
    kAccumulatedElementCount,  // per request, the number up to its end
    kAccumulatedWithZero,      // the same with a 0 before: where each begins, and the end
    kMaxElementCountAsShape,   // no contents: as long as the largest request
    kItemShape,                // per batch item, its dims: [items, rank]
    kItemShapeFlatten,         // the same in one dimension
  };
  Kind kind = Kind::kElementCount;
  std::string source;
  std::vector<std::string> targets;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;  // INT32 or FP32

  // How many dimensions the made tensor has.
  size_t rank() const { return kind == Kind::kItemShape ? 2 : 1; }
};

// An output that the backend splits along the shapes of the source input, its variable dimensions
// being those of the source.
struct BatchOutput {
  std::string target;
  std::string source;
};

// From the model's configuration.
Status ReadBatchInputs(const Json& config, std::vector<BatchInput>* inputs);
Status ReadBatchOutputs(const Json& config, std::vector<BatchOutput>* outputs);

// The shape of the source input in one request, with the batch dimension if the model has one.
using SourceShape = std::span<const int64_t>;

// The batch input for requests of these shapes: its shape and its contents. INVALID_ARG when a
// number does not fit the datatype. Keeps the vectors' memory.
Status MakeBatchInput(const BatchInput& input, bool batched, std::span<const SourceShape> sources,
                      std::vector<int64_t>* shape, std::vector<char>* contents);

// One request's shape of an output configured as `dims`, the batch dimension included.
Status ScatteredShape(const BatchOutput& output, const std::vector<int64_t>& dims,
                      SourceShape source, std::vector<int64_t>* shape);

}  // namespace trident::backend
