// Before main, as the driver is looked for once.

#include "device_core.h"
#include "use_fake_cuda.h"

namespace {
[[maybe_unused]] const bool used = [] {
  trident::UseFakeCuda(trident::contract::kDevices);
  return true;
}();
}  // namespace
