#include "base/blake2b.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace trident {
namespace {

std::string Hex(const Digest& digest) {
  std::string text;
  for (size_t i = 0; i < sizeof(digest); ++i) {
    char byte[3];
    snprintf(byte, sizeof(byte), "%02x", reinterpret_cast<const uint8_t*>(digest.data())[i]);
    text += byte;
  }
  return text;
}

std::string HexOf(const std::string& text, size_t piece) {
  Blake2b hash;
  for (size_t i = 0; i < text.size(); i += piece) {
    hash.Add(text.data() + i, std::min(piece, text.size() - i));
  }
  return Hex(hash.Finish());
}

// The expectations come from another implementation of RFC 7693.
TEST(Blake2bTest, AgreesWithOtherImplementationsAtEveryBlockBoundary) {
  EXPECT_EQ(HexOf("", 1), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(HexOf("abc", 3), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  EXPECT_EQ(HexOf(std::string(128, 'a'), 128),
            "ae2aa48507885c4c950fb809b2076f959cde9f8ea6da260d9a3587df33dac450");
  EXPECT_EQ(HexOf(std::string(129, 'a'), 129),
            "2f64744a6de0d2c0b56e64cf6e29a5aaa255010d415d51c75ccc82f73dccd865");
}

TEST(Blake2bTest, DoesNotDependOnHowTheTextIsCut) {
  std::string text;
  for (int i = 0; i < 1280; ++i) text += static_cast<char>(i % 256);
  for (const size_t piece : {1, 3, 127, 128, 129, 256, 1280}) {
    EXPECT_EQ(HexOf(text, piece),
              "82628cbfc9689e234b0923a531f4578fe2e7138a03e2f81ed6cde97517336650")
        << "in pieces of " << piece;
  }
}

TEST(Blake2bTest, TextsAreTakenWithTheirLengths) {
  Blake2b one, other;
  one.AddText("ab");
  one.AddText("c");
  other.AddText("a");
  other.AddText("bc");
  EXPECT_NE(one.Finish(), other.Finish());
}

}  // namespace
}  // namespace trident
