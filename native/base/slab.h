#pragma once

#include <cstddef>

#include "base/mutex.h"

namespace trident {

// Memory for objects of one size, of which there may be a few or a million: in blocks of 2 MiB,
// from the second on huge pages where the system has them to give. Objects that are cold then cost
// one access to memory instead of that and a walk through page tables. Allocates as much as it
// needs and gives back what is empty, but for one block. Blocks are not given back by the
// destructor: make it live as long as its objects. Thread-safe.
class Slab {
 public:
  // `object_size` up to a few KiB, a multiple of the alignment its objects need.
  explicit Slab(size_t object_size);
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // std::bad_alloc when the system has no more.
  void* Allocate();
  void Free(void* object);

  size_t block_count() const;

 private:
  struct Block;

  Block* AddBlock() REQUIRES(mutex_);
  void Open(Block* block) REQUIRES(mutex_);
  void Close(Block* block) REQUIRES(mutex_);

  const size_t object_size_;
  mutable Mutex mutex_;
  Block* open_ GUARDED_BY(mutex_) = nullptr;   // those with room, but for the empty one
  Block* empty_ GUARDED_BY(mutex_) = nullptr;  // at most one, so that a swing costs no system call
  size_t block_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace trident
