#include "inference/sequence_state.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/fake_model.h"

namespace trident {
namespace {

std::shared_ptr<const StateSpecs> Specs(StateSpec spec, const std::string& initial) {
  spec.input_name = "in_state";
  spec.output_name = "out_state";
  spec.initial = std::make_shared<const std::vector<char>>(initial.begin(), initial.end());
  return std::make_shared<const StateSpecs>(StateSpecs{spec});
}

class State : public ::testing::Test {
 protected:
  void Begin(StateSpec spec, const std::string& initial) {
    specs_ = Specs(std::move(spec), initial);
    states_ = SequenceStates::Begin(specs_);
  }
  void BeginPlain() { Begin({.datatype = DataType::kUint8, .shape = {1, 4}}, "abcd"); }
  void BeginShared(bool growable) {
    Begin({.datatype = DataType::kUint8,
           .shape = {1, 4},
           .variable = true,
           .same_buffer = true,
           .growable = growable},
          "abcd");
  }
  StateTensor& state() { return **states_->Find("out_state"); }

  char* Buffer(const Shape& shape) {
    EXPECT_TRUE(state().Describe(DataType::kUint8, shape).ok());
    void* data = nullptr;
    BufferAttributes attributes;
    const uint64_t size = static_cast<uint64_t>(shape.back());
    const Status status = state().Buffer(size, &data, &attributes);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(attributes.byte_size, size);
    EXPECT_EQ(attributes.memory_type, MemoryType::kCpu);
    return static_cast<char*>(data);
  }
  void Write(const std::string& bytes) {
    memcpy(Buffer({1, static_cast<int64_t>(bytes.size())}), bytes.data(), bytes.size());
    ASSERT_TRUE(state().Update().ok());
  }
  // What the next request reads.
  std::string Current() { return Text(*state().CurrentInput()); }
  static std::string Text(const InputTensor& tensor) {
    if (tensor.byte_size() == 0) return "";
    return {static_cast<const char*>(tensor.buffers()[0].data), tensor.byte_size()};
  }

  std::shared_ptr<const StateSpecs> specs_;
  std::shared_ptr<SequenceStates> states_;
};

TEST_F(State, BeginsAsConfigured) {
  BeginPlain();
  EXPECT_EQ(Current(), "abcd");
  EXPECT_EQ(state().CurrentInput()->name(), "in_state");
  EXPECT_EQ(state().CurrentInput()->shape(), (Shape{1, 4}));
}

TEST_F(State, UnknownNamesAreErrors) {
  BeginPlain();
  const Status status = states_->Find("in_state").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_NE(status.message().find("state 'in_state' is not a valid state name"), std::string::npos);
}

TEST_F(State, OnlyUpdateChangesWhatTheNextRequestReads) {
  BeginPlain();
  memcpy(Buffer({1, 4}), "efgh", 4);
  EXPECT_EQ(Current(), "abcd");
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Current(), "efgh");
}

TEST_F(State, TheTensorARequestHoldsDoesNotChangeUnderIt) {
  BeginPlain();
  Write("efgh");
  const std::shared_ptr<InputTensor> held = state().CurrentInput();
  Write("ijkl");
  EXPECT_EQ(Text(*held), "efgh");
  EXPECT_EQ(Current(), "ijkl");
}

TEST_F(State, EqualSizesSwapTwoBuffersInsteadOfCopying) {
  BeginPlain();
  char* const first = Buffer({1, 4});
  ASSERT_TRUE(state().Update().ok());
  char* const second = Buffer({1, 4});
  EXPECT_NE(first, second) << "the first is what the request reads";
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Buffer({1, 4}), first);
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Buffer({1, 4}), second);
}

TEST_F(State, TheInitialBytesAreNeverWritten) {
  BeginPlain();
  Write("efgh");
  Write("ijkl");
  Write("mnop");
  EXPECT_EQ(std::string(specs_->at(0).initial->begin(), specs_->at(0).initial->end()), "abcd");
  EXPECT_EQ(SequenceStates::Begin(specs_)->Find("out_state").value()->CurrentInput()->byte_size(),
            4u);
}

TEST_F(State, MayChangeItsShape) {
  BeginPlain();
  Write("a longer state");
  EXPECT_EQ(Current(), "a longer state");
  EXPECT_EQ(state().CurrentInput()->shape(), (Shape{1, 14}));
  Write("x");
  EXPECT_EQ(Current(), "x");
  Write("abcd");
  EXPECT_EQ(Current(), "abcd");
  Write("");
  EXPECT_EQ(Current(), "");
}

TEST_F(State, AskingForTheBufferAgainGivesTheSame) {
  BeginPlain();
  char* const first = Buffer({1, 4});
  EXPECT_EQ(Buffer({1, 4}), first);
}

// Whose place can't be had, as there is no such pool: asked again the backend may have begun to
// write already.
TEST_F(State, AskingAgainForAPlaceThatIsFullGivesTheSame) {
  const auto ask = [&] {
    void* data = nullptr;
    BufferAttributes gpu{MemoryType::kGpu, 0};
    EXPECT_TRUE(state().Buffer(4, &data, &gpu).ok());
    EXPECT_EQ(gpu.memory_type, MemoryType::kCpu);
    return data;
  };
  for (const bool same_buffer : {false, true}) {
    Begin({.datatype = DataType::kUint8,
           .shape = {1, 2},
           .variable = true,
           .same_buffer = same_buffer},
          "ab");
    ASSERT_TRUE(state().Describe(DataType::kUint8, {1, 4}).ok());
    void* const first = ask();
    EXPECT_EQ(ask(), first);
  }
}

TEST_F(State, AnUnknownKindOfMemoryIsAnError) {
  BeginPlain();
  ASSERT_TRUE(state().Describe(DataType::kUint8, {1, 4}).ok());
  void* data = nullptr;
  BufferAttributes odd{static_cast<MemoryType>(7), 0};
  EXPECT_EQ(state().Buffer(4, &data, &odd).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(data, nullptr);
}

TEST_F(State, TheBufferMustFitTheDescription) {
  BeginPlain();
  ASSERT_TRUE(state().Describe(DataType::kInt32, {1, 4}).ok());
  void* data = nullptr;
  BufferAttributes attributes;
  EXPECT_EQ(state().Buffer(4, &data, &attributes).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(state().Describe(DataType::kInt32, {1, -4}).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(state().Describe(DataType::kInt32, {INT64_MAX, INT64_MAX}).code(),
            StatusCode::kInvalidArg);
  EXPECT_EQ(state().Describe(DataType::kInt32, Shape(100, 1)).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(Current(), "abcd");
}

TEST_F(State, UpdateAndAttributesNeedABuffer) {
  BeginPlain();
  EXPECT_EQ(state().Update().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(state().attributes().status().code(), StatusCode::kInvalidArg);
  ASSERT_TRUE(state().Describe(DataType::kUint8, {1, 4}).ok());
  EXPECT_EQ(state().Update().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(Current(), "abcd");
  Write("efgh");
  EXPECT_EQ(state().Update().code(), StatusCode::kInvalidArg) << "once for each buffer";
  EXPECT_EQ(Current(), "efgh");
}

TEST_F(State, AttributesDescribeTheBuffer) {
  BeginPlain();
  Buffer({1, 4});
  EXPECT_EQ((*state().attributes())->byte_size, 4u);
}

TEST_F(State, StringStatesHaveAnySize) {
  Begin({.datatype = DataType::kBytes, .shape = {1, 1}}, std::string(4, '\0'));
  ASSERT_TRUE(state().Describe(DataType::kBytes, {1, 1}).ok());
  void* data = nullptr;
  BufferAttributes attributes;
  ASSERT_TRUE(state().Buffer(7, &data, &attributes).ok());
  memcpy(data, "\3\0\0\0abc", 7);
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Current(), std::string("\3\0\0\0abc", 7));
  EXPECT_EQ(state().zero_bytes(), 4u) << "a dummy has empty strings";
}

TEST_F(State, WithTheSameBufferOutputIsWrittenOverInput) {
  BeginShared(false);
  char* const data = Buffer({1, 4});
  EXPECT_EQ(data, state().CurrentInput()->buffers()[0].data);
  data[0] = 'X';
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Current(), "Xbcd");
  EXPECT_EQ(Buffer({1, 4}), data);
  EXPECT_EQ(Text(*SequenceStates::Begin(specs_)->Find("out_state").value()->CurrentInput()), "abcd")
      << "the next sequence begins as configured";
}

TEST_F(State, TheSameBufferOfAnotherSizeIsAnotherBuffer) {
  BeginShared(false);
  char* const data = Buffer({1, 6});
  memcpy(data, "qwerty", 6);
  EXPECT_EQ(Current(), "abcd");
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(Current(), "qwerty");
  EXPECT_EQ(Buffer({1, 6}), data);
}

// Triton grows states on GPUs only; ours are in memory that grows where it is.
TEST_F(State, GrowableMemoryGrowsInPlaceAndKeepsWhatItHas) {
  BeginShared(true);
  const void* const place = state().CurrentInput()->buffers()[0].data;
  char* const data = Buffer({1, 1 << 20});
  EXPECT_EQ(data, place);
  EXPECT_EQ(std::string(data, 4), "abcd");
  EXPECT_EQ(data[1 << 19], '\0');
  data[(1 << 20) - 1] = 'z';
  ASSERT_TRUE(state().Update().ok());
  EXPECT_EQ(state().CurrentInput()->shape(), (Shape{1, 1 << 20}));
  EXPECT_EQ(Buffer({1, 1 << 20})[(1 << 20) - 1], 'z');
}

TEST_F(State, GrowableMemoryHasAnEnd) {
  BeginShared(true);
  ASSERT_TRUE(state().Describe(DataType::kUint8, {1, int64_t{1} << 40}).ok());
  void* data = nullptr;
  BufferAttributes attributes;
  EXPECT_EQ(state().Buffer(uint64_t{1} << 40, &data, &attributes).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Current(), "abcd");
}

TEST_F(State, DummiesHaveTheFormOfTheRealOneAndAreZero) {
  BeginShared(false);
  Write("qwerty");
  const auto zeros = std::make_shared<std::vector<char>>(states_->largest_state());
  EXPECT_EQ(zeros->size(), 6u);
  const auto dummies = states_->MakeNull({zeros, zeros->data()});
  StateTensor& dummy = **dummies->Find("out_state");
  EXPECT_EQ(dummy.CurrentInput()->shape(), (Shape{1, 6}));
  EXPECT_EQ(Text(*dummy.CurrentInput()), std::string(6, '\0'));
  ASSERT_TRUE(dummy.Describe(DataType::kUint8, {1, 6}).ok());
  void* data = nullptr;
  BufferAttributes attributes;
  ASSERT_TRUE(dummy.Buffer(6, &data, &attributes).ok());
  memcpy(data, "nobody", 6);
  ASSERT_TRUE(dummy.Update().ok());
  EXPECT_EQ(Current(), "qwerty");
  EXPECT_EQ(*zeros, std::vector<char>(6));
}

}  // namespace
}  // namespace trident
