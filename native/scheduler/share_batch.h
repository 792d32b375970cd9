#pragma once

#include "inference/request.h"

namespace trident {

// True when the requests may share a batch of this model: the same inputs are present, those with
// variable dimensions have the same shape beyond the batch dimension unless they may be ragged, and
// shape tensors have the same contents.
bool CanShareBatch(const ModelSignature& signature, const InferenceRequest& a,
                   const InferenceRequest& b);

}  // namespace trident
