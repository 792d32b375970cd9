// SHA-256, as FIPS 180-4 defines it.

#include <cmath>

#include "repoagents/checksum/digest.h"

namespace trident {
namespace {

// The first 32 bits of the fractional parts of a root of each of the first `count` primes.
std::vector<uint32_t> RootsOfPrimes(size_t count, double (*root)(double)) {
  std::vector<uint32_t> out;
  for (int number = 2; out.size() < count; ++number) {
    bool prime = true;
    for (int divisor = 2; divisor * divisor <= number; ++divisor) {
      prime = prime && number % divisor != 0;
    }
    if (!prime) continue;
    const double value = root(number);
    out.push_back(static_cast<uint32_t>((value - std::floor(value)) * 0x1p32));
  }
  return out;
}

void Mix(const std::array<uint32_t, 16>& block, uint32_t* state) {
  static const std::vector<uint32_t> kConstants =
      RootsOfPrimes(64, [](double number) { return std::cbrt(number); });
  using std::rotr;
  std::array<uint32_t, 64> words;
  for (size_t i = 0; i < 64; ++i) {
    if (i < 16) {
      words[i] = block[i];
      continue;
    }
    const uint32_t x = words[i - 15], y = words[i - 2];
    words[i] = words[i - 16] + words[i - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) +
               (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t one = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                         kConstants[i] + words[i];
    const uint32_t two = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + one;
    d = c;
    c = b;
    b = a;
    a = one + two;
  }
  const uint32_t mixed[] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state[i] += mixed[i];
}

}  // namespace

const HashFunction& Sha256() {
  static const HashFunction function{
      "SHA256", std::endian::big, RootsOfPrimes(8, [](double number) { return std::sqrt(number); }),
      Mix};
  return function;
}

}  // namespace trident
