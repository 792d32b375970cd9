#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/datatype.h"
#include "base/shape.h"
#include "base/status.h"

namespace trident {

// A tensor of a golden sample, or of an answer that is held against one. Pure.
struct GoldenTensor {
  DataType datatype = DataType::kInvalid;
  Shape shape;        // with the batch dimension
  std::string bytes;  // as backends have them
};

// By how much floating-point numbers may differ from what is expected.
struct GoldenTolerance {
  double absolute = 0;
  double relative = 0;  // of the number that is expected
};

// {"datatype": "FP32", "shape": [1, 4], "data": [...]}: numbers, booleans for BOOL, strings for
// BYTES; "NaN", "Infinity" and "-Infinity" where floating-point numbers are. INVALID_ARG, without
// the tensor's name, for anything else.
Result<GoldenTensor> ParseGoldenTensor(const nlohmann::json& json);

// INTERNAL with what is different, for the first element that is; without the tensor's name.
Status CompareGoldenTensor(const GoldenTensor& expected, const GoldenTensor& found,
                           const GoldenTolerance& tolerance);

}  // namespace trident
