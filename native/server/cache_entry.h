#pragma once

#include <vector>

#include "base/status.h"
#include "inference/buffer.h"

namespace trident {

// The buffers in which a cache plug-in and the server show each other one response; the object
// behind TRITONCACHE_CacheEntry. Owns none of the bytes. Externally synchronised by whoever has it.
struct CacheEntry {
  struct Buffer {
    void* base = nullptr;  // null: a size for the plug-in to provide memory of
    uint64_t byte_size = 0;
  };
  std::vector<Buffer> buffers;
};

// What TRITONCACHE_Copy does during one call of a plug-in; the object behind TRITONCACHE_Allocator.
// Externally synchronised by the plug-in.
class CacheCopier {
 public:
  virtual ~CacheCopier() = default;
  virtual Status Copy(const CacheEntry& entry) = 0;
};

}  // namespace trident
