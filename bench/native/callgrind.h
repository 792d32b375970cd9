#pragma once

#include <cstdint>

// What this program can ask of callgrind when it runs under it; elsewhere nothing happens. Written
// down here so that building needs no header of valgrind: a request is a sequence of instructions
// without effect, with the address of its number and arguments in a register.
namespace trident::bench::callgrind {

enum class Request : uint64_t {  // the upper half is "CT", as in callgrind.h of valgrind
  kDumpCounts = 0x43540000,
  kToggleThread = 0x43540002,  // whether the calling thread is counted; at first it is
  kStartCounting = 0x43540004,
  kStopCounting = 0x43540005,
};

inline void Ask(Request request) {
  const uint64_t arguments[6] = {static_cast<uint64_t>(request)};
  [[maybe_unused]] uint64_t result = 0;
#if defined(__x86_64__)
  asm volatile(
      "rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
      : "=d"(result)
      : "a"(arguments), "0"(result)
      : "cc", "memory");
#elif defined(__aarch64__)
  asm volatile(
      "mov x3, %1; mov x4, %2; ror x12, x12, #3; ror x12, x12, #13; ror x12, x12, #51;"
      "ror x12, x12, #61; orr x10, x10, x10; mov %0, x3"
      : "=r"(result)
      : "r"(result), "r"(arguments)
      : "cc", "memory", "x3", "x4");
#endif
}

}  // namespace trident::bench::callgrind
