#include "scheduler/share_batch.h"

#include <gtest/gtest.h>

#include "support/fake_model.h"

namespace trident {
namespace {

// Two requests for a model whose input "in" the test describes.
class ShareBatch : public ::testing::Test {
 protected:
  TensorSpec& spec() { return target_->mutable_signature().inputs[0]; }

  FakeRequest& Add(Shape shape, float first = 0) {
    target_->mutable_signature().compare_inputs = true;
    requests_.push_back(std::make_unique<FakeRequest>(target_, std::move(shape)));
    requests_.back()->data[0] = first;
    return *requests_.back();
  }
  void AddMore(FakeRequest& to, const char* name) {
    InputTensor* more = *to.request.AddInput(name, DataType::kFp32, {1, 1});
    ConstBuffer buffer{to.data.data(), {}};
    buffer.attributes.byte_size = sizeof(float);
    ASSERT_TRUE(more->Append(buffer).ok());
  }
  bool Share(FakeRequest& a, FakeRequest& b) {
    return CanShareBatch(target_->signature(), a.request, b.request) &&
           CanShareBatch(target_->signature(), b.request, a.request);
  }

  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>(Shape{-1});
  std::vector<std::unique_ptr<FakeRequest>> requests_;
};

TEST_F(ShareBatch, VariableShapesMustBeEqualBeyondTheBatchDimension) {
  EXPECT_TRUE(Share(Add({1, 4}), Add({3, 4})));
  EXPECT_FALSE(Share(Add({1, 4}), Add({1, 5})));
}

TEST_F(ShareBatch, WithoutABatchDimensionAllOfTheShapeMustBeEqual) {
  target_->mutable_signature().max_batch_size = 0;
  EXPECT_TRUE(Share(Add({4}), Add({4})));
  EXPECT_FALSE(Share(Add({4}), Add({3})));
}

TEST_F(ShareBatch, RaggedInputsAreNotCompared) {
  spec().ragged = true;
  EXPECT_TRUE(Share(Add({1, 4}), Add({1, 5})));
}

TEST_F(ShareBatch, FixedShapesAreNotCompared) {
  spec().variable = false;
  spec().dims = {4};
  EXPECT_TRUE(Share(Add({1, 4}), Add({1, 4}, 1)));
}

TEST_F(ShareBatch, ShapeTensorsMustAlsoBeEqualInContent) {
  spec().shape_tensor = true;
  EXPECT_TRUE(Share(Add({1, 2}, 5), Add({1, 2}, 5)));
  EXPECT_FALSE(Share(Add({1, 2}, 5), Add({1, 2}, 6)));
  EXPECT_FALSE(Share(Add({1, 2}, 5), Add({1, 3}, 5)));
}

TEST_F(ShareBatch, FixedShapeTensorsAreComparedToo) {
  spec().variable = false;
  spec().dims = {2};
  spec().shape_tensor = true;
  EXPECT_FALSE(Share(Add({1, 2}, 5), Add({1, 2}, 6)));
}

// Triton stops comparing at the first zero byte; its documentation says that
// contents are compared.
TEST_F(ShareBatch, ContentsAreComparedBeyondTheFirstZero) {
  spec().shape_tensor = true;
  FakeRequest& a = Add({1, 2});
  FakeRequest& b = Add({1, 2});
  b.data[1] = 7;
  EXPECT_FALSE(Share(a, b));
}

TEST_F(ShareBatch, ContentsThatCanNotBeComparedAreNotEqual) {
  spec().shape_tensor = true;
  FakeRequest& a = Add({1, 2});
  FakeRequest& b = Add({1, 2});
  InputTensor* split = *b.request.FindInput("in");
  split->RemoveData();
  for (int half = 0; half < 2; ++half) {
    ConstBuffer buffer{&b.data[half], {}};
    buffer.attributes.byte_size = sizeof(float);
    ASSERT_TRUE(split->Append(buffer).ok());
  }
  EXPECT_FALSE(Share(a, b)) << "in two pieces";
  FakeRequest& on_device = Add({1, 2});
  InputTensor* moved = *on_device.request.FindInput("in");
  moved->RemoveData();
  ConstBuffer buffer{on_device.data.data(), {}};
  buffer.attributes.byte_size = 2 * sizeof(float);
  buffer.attributes.memory_type = MemoryType::kGpu;
  ASSERT_TRUE(moved->Append(buffer).ok());
  EXPECT_FALSE(Share(a, on_device));
}

TEST_F(ShareBatch, TheSameOptionalInputsMustBePresent) {
  for (const char* name : {"more", "most"}) {
    target_->mutable_signature().inputs.push_back({name, DataType::kFp32, {1}, true, false});
  }
  FakeRequest& bare = Add({1, 4});
  FakeRequest& more = Add({1, 4});
  AddMore(more, "more");
  FakeRequest& also_more = Add({1, 4});
  AddMore(also_more, "more");
  FakeRequest& most = Add({1, 4});
  AddMore(most, "most");
  EXPECT_FALSE(Share(bare, more));
  EXPECT_TRUE(Share(more, also_more));
  EXPECT_FALSE(Share(more, most)) << "as many, but others";
}

}  // namespace
}  // namespace trident
