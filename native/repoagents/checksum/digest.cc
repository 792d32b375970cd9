#include "repoagents/checksum/digest.h"

#include <algorithm>
#include <cstring>

namespace trident {
namespace {

// How far byte `index` of `count` is shifted in its number.
int Shift(std::endian order, size_t index, size_t count) {
  return static_cast<int>(8 * (order == std::endian::little ? index : count - 1 - index));
}

}  // namespace

void FileDigest::Add(const char* bytes, size_t count) {
  while (count > 0) {
    const size_t filled = byte_count_ % buffer_.size();
    const size_t taken = std::min(count, buffer_.size() - filled);
    std::memcpy(buffer_.data() + filled, bytes, taken);
    byte_count_ += taken;
    bytes += taken;
    count -= taken;
    if (byte_count_ % buffer_.size() == 0) MixBuffer();
  }
}

void FileDigest::MixBuffer() {
  std::array<uint32_t, 16> block = {};
  for (size_t i = 0; i < buffer_.size(); ++i) {
    block[i / 4] |= uint32_t{buffer_[i]} << Shift(function_.byte_order, i % 4, 4);
  }
  function_.mix(block, state_.data());
}

std::string FileDigest::Finish() {
  // A set bit, zeros up to the last 8 bytes of a block, and there the number of bits.
  const uint64_t bits = byte_count_ * 8;
  Add("\x80", 1);
  while (byte_count_ % buffer_.size() != buffer_.size() - 8) Add("", 1);
  for (size_t i = 0; i < 8; ++i) {
    const char byte = static_cast<char>(bits >> Shift(function_.byte_order, i, 8));
    Add(&byte, 1);
  }
  std::string text;
  for (const uint32_t word : state_) {
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t byte = word >> Shift(function_.byte_order, i, 4);
      text += "0123456789abcdef"[byte >> 4 & 15];
      text += "0123456789abcdef"[byte & 15];
    }
  }
  return text;
}

}  // namespace trident
