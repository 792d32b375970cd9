#pragma once

#include <cstdint>

#include "triton/core/tritonbackend.h"

namespace trident::backend {

// Copies of tensor contents in which memory of the host takes part.
struct CopyCount {
  uint64_t count = 0;
  uint64_t bytes = 0;

  void Add(uint64_t copied_bytes) {
    ++count;
    bytes += copied_bytes;
  }
  // Adds them to the statistics of the instance's model, where the server has such.
  void Report(TRITONBACKEND_ModelInstance* instance) const;
};

}  // namespace trident::backend
