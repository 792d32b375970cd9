#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trident {

// 256 bits that tell different texts apart even if somebody tries to make two alike.
using Digest = std::array<uint64_t, 4>;

// BLAKE2b with a 256-bit result (RFC 7693, no key): a cryptographic hash about as fast as memory
// is copied. *Externally synchronised by its owner.*
class Blake2b {
 public:
  Blake2b();

  void Add(const void* data, size_t byte_size);
  // A number, or a text with its length: what follows can't be taken for part of it.
  void AddNumber(uint64_t number) { Add(&number, sizeof(number)); }
  void AddText(std::string_view text) {
    AddNumber(text.size());
    Add(text.data(), text.size());
  }

  // The digest of all that was added. Call once.
  Digest Finish();

 private:
  static constexpr size_t kBlockBytes = 128;
  void Compress(const uint8_t* block, bool last);

  std::array<uint64_t, 8> state_;
  uint64_t counted_ = 0;  // bytes compressed; a petabyte is far beyond what fits in a request
  std::array<uint8_t, kBlockBytes> pending_{};
  size_t pending_bytes_ = 0;
};

}  // namespace trident
