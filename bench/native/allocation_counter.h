#pragma once

#include <cstdint>

namespace trident::bench {

// What the process has allocated while it was counted, by whose code asked for it. `core` is
// libtritonserver.so, `backend` any plug-in, `runtime` ONNX Runtime; the rest is the client's.
struct AllocationCounts {
  uint64_t total = 0;
  uint64_t core = 0, backend = 0, runtime = 0;
};

// Counts the calls of malloc and its kin on all threads of the process, those of operator new and
// of all shared libraries included: the program this is linked into replaces malloc. One at a time.
void StartCounting(bool keep_stacks);
AllocationCounts StopCounting();

// Writes who allocated while stacks were kept, each different stack once, to stderr.
void PrintStacks();

}  // namespace trident::bench
