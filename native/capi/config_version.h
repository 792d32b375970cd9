#pragma once

#include <cstdint>

#include "base/status.h"

namespace trident {

// There is one form of the configuration JSON.
inline Status CheckConfigVersion(uint32_t config_version) {
  if (config_version == 1) return Status::Ok();
  return InvalidArg("model configuration version ", config_version,
                    " not supported, supported versions are: 1");
}

}  // namespace trident
