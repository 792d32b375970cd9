#include <gtest/gtest.h>

#include "hang_guard.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new trident::HangGuard);
  return RUN_ALL_TESTS();
}
