// MD5, as RFC 1321 defines it.

#include <cmath>

#include "repoagents/checksum/digest.h"

namespace trident {
namespace {

// One number per step, from the sines of whole numbers.
std::array<uint32_t, 64> Sines() {
  std::array<uint32_t, 64> sines;
  for (size_t i = 0; i < sines.size(); ++i) {
    sines[i] = static_cast<uint32_t>(std::fabs(std::sin(static_cast<double>(i + 1))) * 0x1p32);
  }
  return sines;
}

void Mix(const std::array<uint32_t, 16>& block, uint32_t* state) {
  static const std::array<uint32_t, 64> kSines = Sines();
  static constexpr int kRotations[4][4] = {
      {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (size_t i = 0; i < 64; ++i) {
    uint32_t mixed = 0;
    size_t word = 0;
    switch (i / 16) {
      case 0:
        mixed = (b & c) | (~b & d);
        word = i;
        break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = 5 * i + 1;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = 3 * i + 5;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = 7 * i;
        break;
    }
    const uint32_t sum = a + mixed + kSines[i] + block[word % 16];
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kRotations[i / 16][i % 4]);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace

const HashFunction& Md5() {
  static const HashFunction function{
      "MD5", std::endian::little, {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, Mix};
  return function;
}

}  // namespace trident
