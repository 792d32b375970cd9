#include "isolation/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "isolation/codec.h"

namespace trident::isolation {
namespace {

Tensor SomeTensor() { return {"x", DataType::kBytes, {2, -1, 7}, {4096, 55}}; }

std::vector<Parameter> SomeParameters() {
  return {{"text", std::string("a\0b", 3)}, {"count", int64_t{-9}}, {"flag", true}, {"half", 0.5}};
}

Request SomeRequest() {
  Request request;
  request.id = "first";
  request.correlation_id = std::string("conversation");
  request.flags = 3;
  request.priority = std::numeric_limits<uint64_t>::max();
  request.timeout_microseconds = 1'000;
  request.inputs = {SomeTensor(), {"empty", DataType::kFp32, {}, {}}};
  request.requested_outputs = {"y", ""};
  request.parameters = SomeParameters();
  return request;
}

std::vector<ToChild> MessagesToChild() {
  Request numbered;
  numbered.correlation_id = uint64_t{42};
  return {Load{"model",
               3,
               "/models/model",
               "{}",
               true,
               "identity",
               "/backends",
               {{"a", "b"}},
               "cpu",
               {{"c", "d"}},
               true},
          Execute{7, {SomeRequest(), numbered}}, Cancel{7, 1}, Finalize{}};
}

std::vector<ToParent> MessagesToParent() {
  return {Loaded{"{}"},
          LoadFailed{{StatusCode::kNotFound, "no file"}},
          Response{7, 1, true, false, Failure{StatusCode::kCancelled, "over"}, {}, {}},
          Response{7, 0, false, false, std::nullopt, {SomeTensor()}, SomeParameters()},
          Released{7, 1, 3, {SomeTensor()}},
          Report{1, 7, 1, true, false, 2, 64, {1, 2, 3}},
          Executed{7, Failure{}},
          Finalized{},
          LogRecord{2, "backend.cc", 12, "slow"}};
}

// Encodings are compared: what differs in a field differs there, as every field is in them.
TEST(WireTest, WhatIsEncodedIsDecoded) {
  for (const ToChild& message : MessagesToChild()) {
    const std::string bytes = Encode(message);
    const auto decoded = DecodeToChild(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), bytes);
  }
  for (const ToParent& message : MessagesToParent()) {
    const std::string bytes = Encode(message);
    const auto decoded = DecodeToParent(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), bytes);
  }
}

TEST(WireTest, FieldsKeepTheirPlaces) {
  const auto decoded = DecodeToChild(Encode(ToChild(Execute{7, {SomeRequest()}})));
  ASSERT_TRUE(decoded.ok());
  const auto& execute = std::get<Execute>(*decoded);
  EXPECT_EQ(execute.execution, 7u);
  ASSERT_EQ(execute.requests.size(), 1u);
  const Request& request = execute.requests[0];
  EXPECT_EQ(request.id, "first");
  EXPECT_EQ(std::get<std::string>(request.correlation_id), "conversation");
  EXPECT_EQ(request.flags, 3u);
  EXPECT_EQ(request.priority, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(request.timeout_microseconds, 1'000u);
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].name, "x");
  EXPECT_EQ(request.inputs[0].datatype, DataType::kBytes);
  EXPECT_EQ(request.inputs[0].shape, (std::vector<int64_t>{2, -1, 7}));
  EXPECT_EQ(request.inputs[0].data, (Block{4096, 55}));
  EXPECT_EQ(request.requested_outputs, (std::vector<std::string>{"y", ""}));
  ASSERT_EQ(request.parameters.size(), 4u);
  EXPECT_EQ(std::get<std::string>(request.parameters[0].value), std::string("a\0b", 3));
  EXPECT_EQ(std::get<int64_t>(request.parameters[1].value), -9);
  EXPECT_EQ(std::get<bool>(request.parameters[2].value), true);
  EXPECT_EQ(std::get<double>(request.parameters[3].value), 0.5);
}

void ExpectRefused(const std::string& bytes, const std::string& reason) {
  const auto decoded = DecodeToParent(bytes);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().code(), StatusCode::kInternal);
  EXPECT_EQ(decoded.status().message(), "a message of the other process has " + reason);
}

TEST(WireTest, SaysWhatIsWrong) {
  ExpectRefused("", "fewer bytes than it says");
  ExpectRefused("\xff", "an unknown kind");
  ExpectRefused(Encode(ToParent(Finalized{})) + "x", "more bytes than it says");
  ExpectRefused(Encode(ToParent(LoadFailed{{static_cast<StatusCode>(99), ""}})),
                "an unknown value");
  Tensor tensor = SomeTensor();
  tensor.datatype = static_cast<DataType>(-1);
  ExpectRefused(Encode(ToParent(Response{.outputs = {tensor}})), "an unknown value");

  const std::string flags = Encode(ToParent(Response{}));
  std::string flag = flags;
  flag[1 + 8 + 4] = 2;  // `last`, after kind, execution and request
  ExpectRefused(flag, "a flag that is neither set nor not");
  std::string count = flags;
  count[1 + 8 + 4 + 3] = 127;  // the number of outputs, after three flags
  ExpectRefused(count, "more elements than there are bytes");
}

TEST(WireTest, EveryBeginningOfAMessageIsRefused) {
  for (const ToParent& message : MessagesToParent()) {
    const std::string bytes = Encode(message);
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(DecodeToParent(std::string_view(bytes).substr(0, length)).ok());
    }
  }
}

// Random bytes in random places: an error, or a message that encodes to the same bytes again.
TEST(WireTest, RandomChangesAreRefusedOrKept) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr int kRounds = 20'000;
  int kept = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<ToParent> messages = MessagesToParent();
    std::string bytes = Encode(messages[random() % messages.size()]);
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto decoded = DecodeToParent(bytes);
    if (!decoded.ok()) continue;
    ++kept;
    ASSERT_EQ(Encode(*decoded), bytes);
  }
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, kRounds);
}

}  // namespace
}  // namespace trident::isolation
