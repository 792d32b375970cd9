#pragma once

#include <cstdint>

namespace trident::bench {

struct SyscallCounts {
  uint64_t calls = 0;
  uint64_t futex_waits = 0;
  uint64_t futex_wakes = 0;  // calls that wake, if somebody waits
  uint64_t woken = 0;        // those that found somebody

  SyscallCounts operator-(const SyscallCounts& before) const {
    return {calls - before.calls, futex_waits - before.futex_waits,
            futex_wakes - before.futex_wakes, woken - before.woken};
  }
};

// Counts the system calls of this process from inside, exactly and by thread: a seccomp filter has
// the kernel turn each of them into a signal whose handler counts the call and makes it. That works
// where tracing another process is forbidden, and unlike a library that is loaded first it also
// sees calls that the C library makes for itself. Linux on x86-64 and arm64.
//
// Once installed it stays, and a thread that ends would take the process with it: the C library
// does that with all signals blocked. So the process should end by _exit.

// Ends the program when the system has no such filters.
void InstallSyscallCounter();

// Of the calling thread, and of all threads.
SyscallCounts SyscallsHere();
SyscallCounts SyscallsOfAll();

}  // namespace trident::bench
