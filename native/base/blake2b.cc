#include "base/blake2b.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace trident {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

constexpr std::array<uint64_t, 8> kInitial = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// Which words of the message a round mixes in, in order.
constexpr uint8_t kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
constexpr int kRounds = 12;

inline void Mix(uint64_t* v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 63);
}

}  // namespace

Blake2b::Blake2b() : state_(kInitial) {
  // The parameters: no key, one tree node, a digest of this size.
  state_[0] ^= 0x01010000 ^ sizeof(Digest);
}

void Blake2b::Compress(const uint8_t* block, bool last) {
  uint64_t message[16];
  memcpy(message, block, kBlockBytes);
  uint64_t v[16];
  std::copy(state_.begin(), state_.end(), v);
  std::copy(kInitial.begin(), kInitial.end(), v + 8);
  v[12] ^= counted_;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; ++round) {
    const uint8_t* order = kOrder[round % 10];
    for (int i = 0; i < 4; ++i) {  // columns, then diagonals
      Mix(v, i, 4 + i, 8 + i, 12 + i, message[order[2 * i]], message[order[2 * i + 1]]);
    }
    for (int i = 0; i < 4; ++i) {
      Mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, message[order[8 + 2 * i]],
          message[order[9 + 2 * i]]);
    }
  }
  for (int i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
}

void Blake2b::Add(const void* data, size_t byte_size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (byte_size > 0) {
    // The last block is compressed differently, so a full one waits until more has come.
    if (pending_bytes_ == kBlockBytes) {
      counted_ += kBlockBytes;
      Compress(pending_.data(), false);
      pending_bytes_ = 0;
    }
    for (; pending_bytes_ == 0 && byte_size > kBlockBytes; byte_size -= kBlockBytes) {
      counted_ += kBlockBytes;
      Compress(bytes, false);
      bytes += kBlockBytes;
    }
    const size_t take = std::min(byte_size, kBlockBytes - pending_bytes_);
    memcpy(pending_.data() + pending_bytes_, bytes, take);
    pending_bytes_ += take;
    bytes += take;
    byte_size -= take;
  }
}

Digest Blake2b::Finish() {
  counted_ += pending_bytes_;
  std::fill(pending_.begin() + pending_bytes_, pending_.end(), uint8_t{0});
  Compress(pending_.data(), true);
  Digest digest;
  std::copy_n(state_.begin(), digest.size(), digest.begin());
  return digest;
}

}  // namespace trident
