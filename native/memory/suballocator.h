#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace trident {

// Which stretches of a space of bytes are taken. Gives the smallest free one that suffices, and
// joins neighbours that are given back, so that what all give back is one again. Pure bookkeeping.
// Externally synchronised.
class Suballocator {
 public:
  // Stretches begin and end at multiples of it: what devices copy fastest, and more than any
  // datatype needs.
  static constexpr uint64_t kAlignment = 256;

  // A rest of `byte_size` below the alignment is not used.
  explicit Suballocator(uint64_t byte_size);

  // The offset of a stretch, which of 0 bytes exists, too; none where there is no room.
  std::optional<uint64_t> Allocate(uint64_t byte_size);
  // False when no stretch begins there. Does not throw.
  bool Free(uint64_t offset);

  uint64_t used_bytes() const { return used_bytes_; }

 private:
  struct Stretch {
    uint64_t offset = 0;
    uint64_t byte_size = 0;
  };

  std::vector<Stretch> free_;  // by offset; no two touch. Has room for one more than `taken_`
  std::unordered_map<uint64_t, uint64_t> taken_;  // byte size by offset
  uint64_t used_bytes_ = 0;
};

}  // namespace trident
