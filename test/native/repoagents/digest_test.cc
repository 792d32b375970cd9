#include "repoagents/checksum/digest.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

std::string Of(const HashFunction& function, const std::string& text) {
  FileDigest digest(function);
  digest.Add(text.data(), text.size());
  return digest.Finish();
}

// RFC 1321, A.5
TEST(Md5Test, HasTheSumsOfItsDefinition) {
  EXPECT_EQ(Of(Md5(), ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Of(Md5(), "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(
      Of(Md5(), "12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
      "57edf4a22be3c955ac49da2e2107b67a");
}

// FIPS 180-2, B
TEST(Sha256Test, HasTheSumsOfItsDefinition) {
  EXPECT_EQ(Of(Sha256(), ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Of(Sha256(), "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Of(Sha256(), "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Of(Sha256(), std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(DigestTest, DoesNotDependOnHowBytesAreGiven) {
  const std::string text(200, 'x');
  for (const HashFunction* function : {&Md5(), &Sha256()}) {
    FileDigest digest(*function);
    for (size_t begin = 0, count = 1; begin < text.size(); begin += count, count *= 3) {
      digest.Add(text.data() + begin, std::min(count, text.size() - begin));
    }
    EXPECT_EQ(digest.Finish(), Of(*function, text));
  }
}

}  // namespace
}  // namespace trident
