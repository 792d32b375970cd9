#ifndef TEST_CUDA_ENTRY_POINTS_H_
#define TEST_CUDA_ENTRY_POINTS_H_

#include "cuda/driver_api.h"

namespace trident::cuda::fake {

// What the library exports under the driver's names: a definition with other parameters does not
// compile.
extern "C" {
#define FAKE_CUDA_DECLARE(name, parameters) \
  __attribute__((visibility("default"))) CuResult name parameters;
TRIDENT_CUDA_FUNCTIONS(FAKE_CUDA_DECLARE)
#undef FAKE_CUDA_DECLARE
}

}  // namespace trident::cuda::fake

#endif
