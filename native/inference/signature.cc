#include "inference/signature.h"

#include <utility>

namespace trident {

Shape Reshape(const Shape& shape, size_t leading, const Shape& from, const Shape& to) {
  const auto batch_end = shape.begin() + static_cast<std::ptrdiff_t>(leading);
  Shape out(shape.begin(), batch_end);
  auto variable = batch_end;
  size_t position = 0;
  for (const int64_t dim : to) {
    if (dim != -1) {
      out.push_back(dim);
      continue;
    }
    // A valid configuration has as many variable dims on either side.
    while (position < from.size() && from[position] != -1) ++position, ++variable;
    out.push_back(*variable);
    ++position, ++variable;
  }
  return out;
}

void ModelSignature::KeepBackendForm() {
  for (std::vector<TensorSpec>* specs : {&inputs, &outputs}) {
    for (TensorSpec& spec : *specs) {
      if (spec.reshape) spec.dims = *std::exchange(spec.reshape, std::nullopt);
    }
  }
}

}  // namespace trident
