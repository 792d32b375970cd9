#include "allocation_counter.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

// What malloc does by default, under the names glibc keeps for programs that replace it.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace trident::bench {
namespace {

constexpr int kFrames = 20;
constexpr int kOwnFrames = 2;  // Count and the function of the C library that called it
constexpr size_t kStacks = 256;

struct Stack {
  void* frames[kFrames];
  int depth;
};

// All of it without constructors: malloc runs before them.
std::atomic<bool> counting;
std::atomic<bool> keeping;
std::atomic<uint64_t> total, core, backend, runtime;
std::atomic<size_t> stack_count;
Stack stacks[kStacks];
thread_local bool inside;  // to look at the stack may allocate, too

// The count of whose code `address` is, `total` for the client's; null for libraries that only
// allocate for others.
std::atomic<uint64_t>* OwnerOf(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return nullptr;
  const char* slash = strrchr(info.dli_fname, '/');
  const char* name = slash == nullptr ? info.dli_fname : slash + 1;
  const auto begins = [name](const char* prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
  };
  if (begins("libtritonserver")) return &core;
  if (begins("libtriton_")) return &backend;
  if (begins("libonnxruntime")) return &runtime;
  if (begins("libstdc++") || begins("libc.") || begins("libgcc") || begins("ld-")) return nullptr;
  return &total;
}

void Count() {
  if (!counting.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  total.fetch_add(1, std::memory_order_relaxed);
  Stack stack;
  stack.depth = backtrace(stack.frames, kFrames);
  for (int i = kOwnFrames; i < stack.depth; ++i) {
    std::atomic<uint64_t>* const owner = OwnerOf(stack.frames[i]);
    if (owner == nullptr) continue;
    if (owner != &total) owner->fetch_add(1, std::memory_order_relaxed);
    break;
  }
  if (keeping.load(std::memory_order_relaxed)) {
    const size_t index = stack_count.fetch_add(1, std::memory_order_relaxed);
    if (index < kStacks) stacks[index] = stack;
  }
  inside = false;
}

}  // namespace

void StartCounting(bool keep_stacks) {
  void* first[1];
  backtrace(first, 1);  // loads the unwinder
  for (auto* count : {&total, &core, &backend, &runtime}) count->store(0);
  stack_count.store(0);
  keeping.store(keep_stacks);
  counting.store(true);
}

AllocationCounts StopCounting() {
  counting.store(false);
  return {total.load(), core.load(), backend.load(), runtime.load()};
}

void PrintStacks() {
  const size_t known = std::min(stack_count.load(), kStacks);
  for (size_t i = 0; i < known; ++i) {
    size_t times = 0;
    bool first = true;
    for (size_t j = 0; j < known; ++j) {
      if (stacks[j].depth != stacks[i].depth ||
          memcmp(stacks[j].frames, stacks[i].frames, sizeof(void*) * stacks[i].depth) != 0) {
        continue;
      }
      first = first && j >= i;
      ++times;
    }
    if (!first) continue;
    fprintf(stderr, "%zu of %zu allocations:\n", times, known);
    backtrace_symbols_fd(stacks[i].frames + kOwnFrames, stacks[i].depth - kOwnFrames,
                         STDERR_FILENO);
  }
}

}  // namespace trident::bench

#define REPLACES extern "C" __attribute__((visibility("default"), noinline))

REPLACES void* malloc(size_t size) {
  trident::bench::Count();
  return __libc_malloc(size);
}

REPLACES void* calloc(size_t count, size_t size) {
  trident::bench::Count();
  return __libc_calloc(count, size);
}

REPLACES void* realloc(void* memory, size_t size) {
  trident::bench::Count();
  return __libc_realloc(memory, size);
}

REPLACES void* memalign(size_t alignment, size_t size) {
  trident::bench::Count();
  return __libc_memalign(alignment, size);
}

REPLACES void* aligned_alloc(size_t alignment, size_t size) {
  trident::bench::Count();
  return __libc_memalign(alignment, size);
}

REPLACES int posix_memalign(void** memory, size_t alignment, size_t size) {
  trident::bench::Count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
