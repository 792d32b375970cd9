#include "scheduler/share_batch.h"

#include <algorithm>
#include <cstring>

namespace trident {
namespace {

const InputTensor* InputNamed(const InferenceRequest& request, const std::string& name) {
  for (const auto& input : request.inputs()) {
    if (input->name() == name) return input.get();
  }
  return nullptr;
}

bool SameShape(const InputTensor& a, const InputTensor& b, size_t first) {
  return std::equal(a.shape().begin() + first, a.shape().end(), b.shape().begin() + first,
                    b.shape().end());
}

// False also where comparing would need a copy: then they just run apart.
bool SameContents(const InputTensor& a, const InputTensor& b) {
  if (a.byte_size() != b.byte_size()) return false;
  if (a.byte_size() == 0) return true;
  if (a.buffers().size() != 1 || b.buffers().size() != 1) return false;
  const ConstBuffer& in_a = a.buffers().front();
  const ConstBuffer& in_b = b.buffers().front();
  return in_a.attributes.memory_type != MemoryType::kGpu &&
         in_b.attributes.memory_type != MemoryType::kGpu &&
         memcmp(in_a.data, in_b.data, a.byte_size()) == 0;
}

}  // namespace

bool CanShareBatch(const ModelSignature& signature, const InferenceRequest& a,
                   const InferenceRequest& b) {
  if (!signature.compare_inputs) return true;
  const size_t first = signature.batching() ? 1 : 0;
  for (const TensorSpec& spec : signature.inputs) {
    const bool same_shape = spec.shape_tensor || (spec.variable && !spec.ragged);
    if (!same_shape && !spec.optional) continue;
    const InputTensor* in_a = InputNamed(a, spec.name);
    const InputTensor* in_b = InputNamed(b, spec.name);
    if ((in_a == nullptr) != (in_b == nullptr)) return false;
    if (in_a == nullptr) continue;
    if (same_shape && !SameShape(*in_a, *in_b, first)) return false;
    if (spec.shape_tensor && !SameContents(*in_a, *in_b)) return false;
  }
  return true;
}

}  // namespace trident
