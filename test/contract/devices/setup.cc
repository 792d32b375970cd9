// Before main, as the driver is looked for once.

#include <cstdlib>

#include "devices.h"
#include "use_fake_cuda.h"

namespace {
[[maybe_unused]] const bool used = [] {
  trident::UseFakeCuda(trident::contract::kDeviceCount);
  setenv("FAKE_CUDA_COMPUTE", "9.0,9.0,8.0,8.0,8.0", 1);
  return true;
}();
}  // namespace
