#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/datatype.h"
#include "base/shape.h"

namespace trident {

// One tensor a model takes or gives. `dims` leaves out the batch dimension; -1 is variable.
struct TensorSpec {
  std::string name;
  DataType datatype = DataType::kInvalid;
  Shape dims;
  bool optional = false;            // inputs only
  bool variable = false;            // some dim is -1, so requests of one batch must be compared
  bool ragged = false;              // inputs only: requests of one batch may differ in shape
  bool shape_tensor = false;        // its contents are a shape, equal in all requests of a batch
  std::optional<Shape> reshape;     // the dims on the backend's side, when they are others
  std::vector<std::string> labels;  // outputs only: names of classes, by their number
};

// `shape` fits `from`; the same elements in the form of `to`: the values of from's -1 dims take the
// places of to's, in order. The first `leading` dims of `shape` (the batch) stay.
Shape Reshape(const Shape& shape, size_t leading, const Shape& from, const Shape& to);

// What the request path knows of a model: enough to say whether a request is legal for it and
// which requests may share a batch. Immutable after construction.
struct ModelSignature {
  std::string name;
  int64_t version = 0;
  uint32_t max_batch_size = 0;  // 0: tensors have no batch dimension
  bool decoupled = false;
  bool reschedulable = false;  // a backend may hand requests back to the scheduler (iterative)
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool compare_inputs = false;  // some input is variable or optional

  bool batching() const { return max_batch_size > 0; }

  // Tensors come and go in the form that the backend gives them.
  void KeepBackendForm();

  // Position by name, or nothing. Linear: models have few tensors, and a compare beats a hash.
  static std::optional<size_t> Find(const std::vector<TensorSpec>& specs, std::string_view name) {
    for (size_t i = 0; i < specs.size(); ++i) {
      if (specs[i].name == name) return i;
    }
    return std::nullopt;
  }
};

}  // namespace trident
