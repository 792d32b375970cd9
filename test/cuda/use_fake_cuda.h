#ifndef TEST_CUDA_USE_FAKE_CUDA_H_
#define TEST_CUDA_USE_FAKE_CUDA_H_

#include <stdlib.h>

#include <string>

#include "fake_cuda.h"

namespace trident {

// The driver of this process and of its children, when called before the driver is first used.
inline void UseFakeCuda(int devices = 2) {
  setenv("TRIDENT_CUDA_LIBRARY", FAKE_CUDA_LIBRARY, 1);
  setenv("FAKE_CUDA_DEVICES", std::to_string(devices).c_str(), 1);
}

}  // namespace trident

#endif
