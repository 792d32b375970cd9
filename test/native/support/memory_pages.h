#pragma once

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

namespace trident {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Of the calling thread.
inline int64_t PageFaults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

// How many bytes of this process's memory lie in huge pages of a kind, one of smaps(5).
inline int64_t HugeBytes(const std::string& kind) {
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with(kind + ":")) return std::stoll(line.substr(kind.size() + 1)) * 1024;
  }
  return 0;
}

// Whether the kernel gives a mapping that asks for huge pages `byte_size` bytes of them right now:
// that depends on its settings and on how fragmented the memory is. Of private memory, or of a new
// object of shared memory.
inline bool KernelGivesHugePages(size_t byte_size, int descriptor = -1) {
  constexpr uintptr_t kHugePage = 2 << 20;
  const bool shared = descriptor >= 0;
  if (shared && ftruncate(descriptor, static_cast<off_t>(byte_size)) != 0) return false;
  // With so much to spare the mapping can begin where a huge page does.
  void* const room =
      mmap(nullptr, byte_size + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(room) + kHugePage - 1) & -kHugePage;
  void* const mapping =
      mmap(reinterpret_cast<void*>(begin), byte_size, PROT_READ | PROT_WRITE,
           MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), descriptor, 0);
  if (mapping == MAP_FAILED) return false;
  const char* const kind = shared ? "ShmemPmdMapped" : "AnonHugePages";
  const int64_t before = HugeBytes(kind);
  madvise(mapping, byte_size, MADV_HUGEPAGE);
  std::memset(mapping, 1, byte_size);
  const bool given = HugeBytes(kind) - before >= static_cast<int64_t>(byte_size);
  munmap(room, byte_size + kHugePage);
  return given;
}

}  // namespace trident
