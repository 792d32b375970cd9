#include "base/slab.h"

#include <sys/mman.h>

#include <cassert>
#include <cstdint>
#include <new>
#include <utility>

namespace trident {
namespace {

constexpr size_t kBlockBytes = size_t{2} << 20;  // a huge page
constexpr size_t kHeaderBytes = 64;

// Aligned to its size, so that an object finds its block.
char* MapBlock() {
  const size_t bytes = 2 * kBlockBytes;
  void* const mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const begin = static_cast<char*>(mapped);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) % kBlockBytes;
  char* const block = begin + before;
  if (before > 0) munmap(begin, before);
  munmap(block + kBlockBytes, bytes - before - kBlockBytes);
  return block;
}

}  // namespace

// What a block begins with.
struct Slab::Block {
  Block* next = nullptr;
  Block* previous = nullptr;
  void* freed = nullptr;  // linked by their first bytes
  size_t used = 0;
  size_t fresh = 0;  // from here on objects have never been in use
};

Slab::Slab(size_t object_size) : object_size_(object_size) {
  static_assert(sizeof(Block) <= kHeaderBytes);
  assert(object_size >= sizeof(void*) && object_size <= kBlockBytes / 64);
}

void* Slab::Allocate() {
  MutexLock lock(mutex_);
  if (open_ == nullptr) Open(empty_ != nullptr ? std::exchange(empty_, nullptr) : AddBlock());
  Block* const block = open_;
  void* object = block->freed;
  if (object != nullptr) {
    block->freed = *static_cast<void**>(object);
  } else {
    object = reinterpret_cast<char*>(block) + kHeaderBytes + block->fresh++ * object_size_;
  }
  if (++block->used == (kBlockBytes - kHeaderBytes) / object_size_) Close(block);
  return object;
}

void Slab::Free(void* object) {
  Block* given_back = nullptr;
  {
    MutexLock lock(mutex_);
    auto* const block =
        reinterpret_cast<Block*>(reinterpret_cast<uintptr_t>(object) & ~uintptr_t{kBlockBytes - 1});
    if (block->used-- == (kBlockBytes - kHeaderBytes) / object_size_) Open(block);
    *static_cast<void**>(object) = std::exchange(block->freed, object);
    if (block->used > 0) return;
    Close(block);
    given_back = std::exchange(empty_, block);
    if (given_back != nullptr) --block_count_;
  }
  if (given_back != nullptr) munmap(given_back, kBlockBytes);
}

size_t Slab::block_count() const {
  MutexLock lock(mutex_);
  return block_count_;
}

Slab::Block* Slab::AddBlock() {
  char* const memory = MapBlock();
  // What the first block holds, the processor's table of pages holds as well, and few objects
  // should not cost a huge page. Where there are none, nothing happens.
  if (block_count_ > 0) madvise(memory, kBlockBytes, MADV_HUGEPAGE);
  ++block_count_;
  return new (memory) Block;
}

void Slab::Open(Block* block) {
  block->previous = nullptr;
  block->next = open_;
  if (open_ != nullptr) open_->previous = block;
  open_ = block;
}

void Slab::Close(Block* block) {
  (block->previous != nullptr ? block->previous->next : open_) = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
}

}  // namespace trident
