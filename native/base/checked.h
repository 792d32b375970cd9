#pragma once

#include <cstdint>

namespace trident {

// 64-bit arithmetic that reports overflow instead of wrapping: false, and *out untouched in
// meaning, when the exact result does not fit. Every size taken from input goes through these.
inline bool CheckedAdd(uint64_t a, uint64_t b, uint64_t* out) {
  return !__builtin_add_overflow(a, b, out);
}
inline bool CheckedMultiply(uint64_t a, uint64_t b, uint64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}

}  // namespace trident
