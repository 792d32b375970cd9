#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>

namespace trident {
namespace {

TEST(Status, DefaultIsSuccess) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status::Ok().code(), StatusCode::kOk);
  EXPECT_EQ(Status::Ok().WithPrefix("x: ").message(), "");
}

TEST(Status, HelpersSetCodeAndJoinTheMessage) {
  const Status status = InvalidArg("input '", "image", "' has ", 3, " dims");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_EQ(status.message(), "input 'image' has 3 dims");
  EXPECT_EQ(status.WithPrefix("model 'm': ").message(), "model 'm': input 'image' has 3 dims");
  EXPECT_EQ(NotFound("").code(), StatusCode::kNotFound);
  EXPECT_EQ(Internal("").code(), StatusCode::kInternal);
  EXPECT_EQ(Unavailable("").code(), StatusCode::kUnavailable);
  EXPECT_EQ(Unsupported("").code(), StatusCode::kUnsupported);
  EXPECT_EQ(AlreadyExists("").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Error(StatusCode::kCancelled, "").code(), StatusCode::kCancelled);
}

TEST(Status, NamesAreTritons) {
  EXPECT_STREQ(StatusCodeName(StatusCode::kUnknown), "Unknown");
  EXPECT_STREQ(StatusCodeName(StatusCode::kInternal), "Internal");
  EXPECT_STREQ(StatusCodeName(StatusCode::kNotFound), "Not found");
  EXPECT_STREQ(StatusCodeName(StatusCode::kInvalidArg), "Invalid argument");
  EXPECT_STREQ(StatusCodeName(StatusCode::kUnavailable), "Unavailable");
  EXPECT_STREQ(StatusCodeName(StatusCode::kUnsupported), "Unsupported");
  EXPECT_STREQ(StatusCodeName(StatusCode::kAlreadyExists), "Already exists");
  EXPECT_STREQ(StatusCodeName(StatusCode::kCancelled), "Cancelled");
  EXPECT_STREQ(StatusCodeName(static_cast<StatusCode>(99)), "<invalid code>");
}

Result<std::unique_ptr<int>> Half(int number) {
  if (number % 2 != 0) return InvalidArg(number, " is odd");
  return std::make_unique<int>(number / 2);
}

Result<int> Quarter(int number) {
  TRIDENT_ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(number));
  TRIDENT_ASSIGN_OR_RETURN(const std::unique_ptr<int> quarter, Half(*half));
  return *quarter;
}

TEST(Result, CarriesAValueOrAStatusThroughTheMacros) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "3 is odd");
  EXPECT_EQ(Quarter(7).status().message(), "7 is odd");
}

}  // namespace
}  // namespace trident
