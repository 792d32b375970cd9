#include "memory/sigbus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/mutex.h"

namespace trident {

// The ranges, in blocks that are only ever added; and the handler that was there before ours.
// Everything here lives until the process ends: a fault may come after the last destructor.
struct GuardedRangeTable {
  struct Block {
    std::array<GuardedRange, 64> ranges;
    Block* next = nullptr;  // written before the block is published
  };

  Mutex mutex;  // writers only; never taken by the handler
  std::atomic<Block*> blocks{nullptr};
  struct sigaction previous = {};
  bool installed GUARDED_BY(mutex) = false;
  std::vector<GuardedRange*> free GUARDED_BY(mutex);

  static GuardedRangeTable& Get() {
    static GuardedRangeTable* const table = new GuardedRangeTable;
    return *table;
  }

  GuardedRange* TakeFree() REQUIRES(mutex) {
    if (free.empty()) {
      Block* block = new Block;
      block->next = blocks.load(std::memory_order_relaxed);
      blocks.store(block, std::memory_order_release);
      for (GuardedRange& range : block->ranges) free.push_back(&range);
    }
    GuardedRange* const range = free.back();
    free.pop_back();
    return range;
  }

  static void Rewrite(GuardedRange* range, uintptr_t begin, size_t byte_size, int protection) {
    const uint32_t version = range->version_.load(std::memory_order_relaxed);
    range->version_.store(version + 1, std::memory_order_seq_cst);
    range->begin_.store(begin, std::memory_order_seq_cst);
    range->byte_size_.store(byte_size, std::memory_order_seq_cst);
    range->protection_.store(protection, std::memory_order_seq_cst);
    range->poisoned_.store(false, std::memory_order_seq_cst);
    range->version_.store(version + 2, std::memory_order_seq_cst);
  }

  // From the handler: no locks, no allocation, no library calls.
  bool Replace(uintptr_t address) {
    for (Block* block = blocks.load(std::memory_order_acquire); block; block = block->next) {
      for (GuardedRange& range : block->ranges) {
        const uint32_t version = range.version_.load(std::memory_order_seq_cst);
        const uintptr_t begin = range.begin_.load(std::memory_order_seq_cst);
        const size_t byte_size = range.byte_size_.load(std::memory_order_seq_cst);
        const int protection = range.protection_.load(std::memory_order_seq_cst);
        if (version % 2 != 0 || version != range.version_.load(std::memory_order_seq_cst)) continue;
        if (begin == 0 || address < begin || address - begin >= byte_size) continue;
        range.poisoned_.store(true, std::memory_order_seq_cst);
        // The bare system call: sanitizers wrap the function, and wrappers may lock. Nothing is
        // reserved: a sparse object may be larger than all memory.
        const long mapped = syscall(SYS_mmap, begin, byte_size, protection,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        return static_cast<uintptr_t>(mapped) == begin;
      }
    }
    return false;
  }
};

namespace {

// Set before the handler is installed, so that it needs no initialisation guard.
std::atomic<GuardedRangeTable*> handler_table{nullptr};

void PassOn(const struct sigaction& previous, int signal, siginfo_t* info, void* context) {
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill() and its kin, rather than by a fault
  if (previous.sa_handler == SIG_IGN && sent) return;
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  // The default action: a fault happens again on return; a sent signal is sent again.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  if (sent) raise(signal);
}

void OnSigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  GuardedRangeTable* table = handler_table.load(std::memory_order_acquire);
  const bool fault = info->si_code > 0;
  if (!fault || !table->Replace(reinterpret_cast<uintptr_t>(info->si_addr))) {
    PassOn(table->previous, signal, info, context);
  }
  errno = saved_errno;
}

}  // namespace

GuardedRange* GuardedRange::Protect(void* begin, size_t byte_size, int protection) {
  GuardedRangeTable& table = GuardedRangeTable::Get();
  MutexLock lock(table.mutex);
  if (!table.installed) {
    // Read first: our handler may run before a single installing call has returned.
    sigaction(SIGBUS, nullptr, &table.previous);
    handler_table.store(&table, std::memory_order_release);
    struct sigaction ours = {};
    ours.sa_sigaction = OnSigbus;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, &ours, nullptr);
    table.installed = true;
  }
  GuardedRange* range = table.TakeFree();
  GuardedRangeTable::Rewrite(range, reinterpret_cast<uintptr_t>(begin), byte_size, protection);
  return range;
}

void GuardedRange::Release() {
  GuardedRangeTable& table = GuardedRangeTable::Get();
  MutexLock lock(table.mutex);
  GuardedRangeTable::Rewrite(this, 0, 0, 0);
  table.free.push_back(this);
}

}  // namespace trident
