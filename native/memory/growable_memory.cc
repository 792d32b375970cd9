#include "memory/growable_memory.h"

#include <sys/mman.h>

namespace trident {

Result<std::unique_ptr<GrowableMemory>> GrowableMemory::Reserve(uint64_t capacity_bytes) {
  // No swap is set aside: most of it will never be touched.
  void* const data = mmap(nullptr, capacity_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return Unavailable("can't reserve ", capacity_bytes, " bytes of address space");
  }
  return std::unique_ptr<GrowableMemory>(new GrowableMemory(data, capacity_bytes));
}

GrowableMemory::~GrowableMemory() { munmap(data_, capacity_); }

}  // namespace trident
