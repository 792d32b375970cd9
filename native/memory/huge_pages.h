#pragma once

#include <cstdint>

namespace trident {

// What one entry of the page tables can cover instead of 4 KiB. From this size on, shared memory is
// mapped so that the kernel may use such pages. Whether it does is the machine's to decide: of the
// mount of /dev/shm (its option huge=) before all. Nothing depends on it but speed.
inline constexpr uint64_t kHugePageBytes = 2 << 20;

// mmap of [offset, offset + byte_size) of an object, MAP_SHARED: MAP_FAILED and errno as there.
void* MapShared(int descriptor, uint64_t offset, uint64_t byte_size, int protection);

// Touches every 2 MiB of a writable mapping, while the object still has no memory: a huge page can
// only be had where there is no small one yet. Where the machine gives small ones after all, they
// are some of those that the object gets anyway.
void PopulateHugePages(void* mapping, uint64_t byte_size);

}  // namespace trident
