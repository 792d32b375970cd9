#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace trident {

// One protected address range. The signal handler finds it in a table without locks, so ranges
// are recycled and never freed. Thread-safe.
class GuardedRange {
 public:
  // Protects [begin, begin + byte_size), whole pages mapped from a file with `protection`: a load
  // or store past the file's end then maps private zeros over the range and poisons it, instead of
  // ending the process. Installs the process's SIGBUS handler the first time; faults elsewhere go
  // on to the handler that was there before.
  static GuardedRange* Protect(void* begin, size_t byte_size, int protection);

  // Ends the protection; before the range is unmapped.
  void Release();

  bool poisoned() const { return poisoned_.load(std::memory_order_acquire); }

 private:
  friend struct GuardedRangeTable;

  // Odd while being rewritten: the handler skips those, as the range it looks for is in use.
  std::atomic<uint32_t> version_{0};
  std::atomic<uintptr_t> begin_{0};  // 0: free
  std::atomic<size_t> byte_size_{0};
  std::atomic<int> protection_{0};
  std::atomic<bool> poisoned_{false};
};

}  // namespace trident
