#include "base/dynamic_library.h"

#include <gtest/gtest.h>

#include <fstream>

namespace trident {
namespace {

TEST(DynamicLibrary, FindsSymbols) {
  auto library = DynamicLibrary::Open("libm.so.6");
  ASSERT_TRUE(library.ok()) << library.status().message();
  auto cosine = (*library)->Find("cos");
  ASSERT_TRUE(cosine.ok());
  EXPECT_EQ(reinterpret_cast<double (*)(double)>(*cosine)(0), 1.0);
  EXPECT_EQ((*library)->FindOptional("no_such_function"), nullptr);
  const auto missing = (*library)->Find("no_such_function");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("no_such_function"), std::string::npos);
}

TEST(DynamicLibrary, MissingAndBrokenFilesAreNotFoundWithTheReason) {
  const auto missing = DynamicLibrary::Open("/nonexistent/libnothing.so");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("libnothing.so"), std::string::npos);
  const std::string path = testing::TempDir() + "trident_not_a_library.so";
  std::ofstream(path) << "not an ELF file";
  EXPECT_EQ(DynamicLibrary::Open(path).status().code(), StatusCode::kNotFound);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace trident
