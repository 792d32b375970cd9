#include "memory/suballocator.h"

#include <algorithm>

namespace trident {

Suballocator::Suballocator(uint64_t byte_size) {
  const uint64_t whole = byte_size / kAlignment * kAlignment;
  if (whole > 0) free_.push_back({0, whole});
}

std::optional<uint64_t> Suballocator::Allocate(uint64_t byte_size) {
  auto best = free_.end();
  for (auto stretch = free_.begin(); stretch != free_.end(); ++stretch) {
    if (stretch->byte_size < byte_size) continue;
    if (best == free_.end() || stretch->byte_size < best->byte_size) best = stretch;
  }
  if (best == free_.end()) return std::nullopt;
  // It is a multiple of the alignment, so what is rounded up still fits.
  const uint64_t units = byte_size / kAlignment + (byte_size % kAlignment == 0 ? 0 : 1);
  const uint64_t taken = std::max<uint64_t>(units, 1) * kAlignment;
  const auto index = best - free_.begin();
  // Between two stretches that are taken there is one at most that is free.
  free_.reserve(taken_.size() + 2);
  best = free_.begin() + index;
  const uint64_t offset = best->offset;
  taken_.emplace(offset, taken);
  used_bytes_ += taken;
  best->offset += taken;
  best->byte_size -= taken;
  if (best->byte_size == 0) free_.erase(best);
  return offset;
}

bool Suballocator::Free(uint64_t offset) {
  const auto found = taken_.find(offset);
  if (found == taken_.end()) return false;
  const Stretch freed{offset, found->second};
  taken_.erase(found);
  used_bytes_ -= freed.byte_size;
  const auto next =
      std::find_if(free_.begin(), free_.end(), [&](const Stretch& s) { return s.offset > offset; });
  const bool joins_next = next != free_.end() && freed.offset + freed.byte_size == next->offset;
  const auto before = next == free_.begin() ? free_.end() : next - 1;
  if (before != free_.end() && before->offset + before->byte_size == freed.offset) {
    before->byte_size += freed.byte_size + (joins_next ? next->byte_size : 0);
    if (joins_next) free_.erase(next);
  } else if (joins_next) {
    *next = {freed.offset, freed.byte_size + next->byte_size};
  } else {
    free_.insert(next, freed);
  }
  return true;
}

}  // namespace trident
