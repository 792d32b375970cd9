#include "base/float16.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Float16, EveryNumberOfFp16ComesBack) {
  for (uint32_t half = 0; half <= 0xffff; ++half) {
    const float value = FloatOfFp16(static_cast<uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FloatOfFp16(Fp16Of(value)))) << half;
    } else {
      EXPECT_EQ(Fp16Of(value), half);
    }
  }
}

TEST(Float16, EveryNumberOfBf16ComesBack) {
  for (uint32_t half = 0; half <= 0xffff; ++half) {
    const float value = FloatOfBf16(static_cast<uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FloatOfBf16(Bf16Of(value)))) << half;
    } else {
      EXPECT_EQ(Bf16Of(value), half);
    }
  }
}

TEST(Float16, KnownNumbers) {
  EXPECT_EQ(Fp16Of(1.0f), 0x3c00);
  EXPECT_EQ(Fp16Of(-2.0f), 0xc000);
  EXPECT_EQ(Fp16Of(65504.0f), 0x7bff);
  EXPECT_EQ(FloatOfFp16(0x0001), 0x1p-24f);
  EXPECT_EQ(FloatOfFp16(0x7c00), kInfinity);
  EXPECT_EQ(Bf16Of(1.0f), 0x3f80);
  EXPECT_EQ(FloatOfBf16(0xff80), -kInfinity);
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(Fp16Of(1.0f + 0x1p-11f), 0x3c00) << "between 1 and the next: to even";
  EXPECT_EQ(Fp16Of(1.0f + 0x1.8p-10f), 0x3c02) << "between the next and the one after";
  EXPECT_EQ(Fp16Of(1.0f + 0x1.2p-11f), 0x3c01);
  EXPECT_EQ(Fp16Of(0x1p-25f), 0x0000);
  EXPECT_EQ(Fp16Of(0x1.8p-24f), 0x0002);
  EXPECT_EQ(Fp16Of(65519.0f), 0x7bff);
  EXPECT_EQ(Fp16Of(65520.0f), 0x7c00);
  EXPECT_EQ(Fp16Of(0x1.ffep-15f + 0x1p-26f), 0x0400) << "out of the subnormal numbers";
  EXPECT_EQ(Bf16Of(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(Bf16Of(1.0f + 0x1.8p-7f), 0x3f82);
  EXPECT_EQ(Bf16Of(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace trident
