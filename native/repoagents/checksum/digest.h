#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace trident {

// A hash function of the MD4 family: it mixes blocks of 16 words into a state of a few.
struct HashFunction {
  const char* name;
  std::endian byte_order;  // little or big, of all words
  std::vector<uint32_t> start;
  void (*mix)(const std::array<uint32_t, 16>& block, uint32_t* state);
};
const HashFunction& Md5();
const HashFunction& Sha256();

// What a hash function makes of some bytes. Externally synchronised by its owner.
class FileDigest {
 public:
  explicit FileDigest(const HashFunction& function) : function_(function), state_(function.start) {}

  void Add(const char* bytes, size_t count);
  // Of all that was added, in hexadecimal. To be called once, as the last.
  std::string Finish();

 private:
  void MixBuffer();

  const HashFunction& function_;
  std::vector<uint32_t> state_;
  std::array<uint8_t, 64> buffer_;
  uint64_t byte_count_ = 0;
};

}  // namespace trident
