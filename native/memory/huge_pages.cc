#include "memory/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#ifndef MADV_POPULATE_WRITE  // in the kernel before it came to the C library's headers
#define MADV_POPULATE_WRITE 23
#endif

namespace trident {
namespace {

// An address that lies in its huge page where the offset lies in the object's.
uintptr_t AlignLikeOffset(uintptr_t address, uint64_t offset) {
  return address + (offset - address) % kHugePageBytes;
}

// Address space for a mapping and whatever it takes to align it, cut to size.
void* Reserve(uint64_t offset, uint64_t byte_size) {
  const uint64_t spare = kHugePageBytes;
  if (byte_size > UINT64_MAX - spare) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void* const space = mmap(nullptr, byte_size + spare, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return MAP_FAILED;
  const auto begin = reinterpret_cast<uintptr_t>(space);
  const uintptr_t aligned = AlignLikeOffset(begin, offset);
  const uintptr_t end = aligned + byte_size;
  if (aligned > begin) munmap(space, aligned - begin);
  munmap(reinterpret_cast<void*>(end), begin + byte_size + spare - end);
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

void* MapShared(int descriptor, uint64_t offset, uint64_t byte_size, int protection) {
  const auto from = static_cast<off_t>(offset);
  if (byte_size < kHugePageBytes) {
    return mmap(nullptr, byte_size, protection, MAP_SHARED, descriptor, from);
  }
  void* const place = Reserve(offset, byte_size);
  if (place == MAP_FAILED) return MAP_FAILED;
  void* const mapping =
      mmap(place, byte_size, protection, MAP_SHARED | MAP_FIXED, descriptor, from);
  if (mapping == MAP_FAILED) {
    const int error = errno;
    munmap(place, byte_size);
    errno = error;
    return MAP_FAILED;
  }
  madvise(mapping, byte_size, MADV_HUGEPAGE);
  return mapping;
}

void PopulateHugePages(void* mapping, uint64_t byte_size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* const begin = static_cast<char*>(mapping);
  for (uint64_t at = 0; at + kHugePageBytes <= byte_size; at += kHugePageBytes) {
    if (madvise(begin + at, page, MADV_POPULATE_WRITE) != 0) return;  // no memory, or an old kernel
  }
}

}  // namespace trident
