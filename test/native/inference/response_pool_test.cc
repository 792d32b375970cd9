#include "inference/response_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "support/fake_model.h"

namespace trident {
namespace {

// The response to a request, which has ended.
ResponsePtr Respond(FakeRequest& fake) {
  Answer(fake.Submit(1));
  ResponsePtr response = std::move(fake.sink->responses.back());
  fake.sink->responses.clear();
  return response;
}

// A response that a backend is building.
class ResponsePoolTest : public ::testing::Test {
 protected:
  ResponsePtr New() { return InferenceResponse::New(submitted_->channel()); }

  static void AddWithBuffer(InferenceResponse& response, const char* name) {
    OutputTensor* const output = response.AddOutput(name, DataType::kFp32, Shape{1, 1});
    EXPECT_TRUE(output->Allocate(sizeof(float), {}).ok());
  }

  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>();
  FakeRequest fake_{target_, {1, 1}, "7"};
  RequestPtr submitted_ = fake_.Submit(1);
};

TEST_F(ResponsePoolTest, ADroppedOneServesAgainAndKnowsNothingOfItsFormerLife) {
  ResponsePtr response = New();
  const InferenceResponse* const first = response.get();
  AddWithBuffer(*response, "a");
  AddWithBuffer(*response, "b");
  response->parameters().push_back({.name = "key"});
  response->set_status(Internal("it failed"));
  EXPECT_EQ(fake_.sink->live_buffers, 2);
  response.reset();
  EXPECT_EQ(fake_.sink->live_buffers, 0);

  response = New();
  EXPECT_EQ(response.get(), first);
  EXPECT_TRUE(response->outputs().empty());
  EXPECT_TRUE(response->parameters().empty());
  EXPECT_TRUE(response->status().ok());
  const OutputTensor* const only = response->AddOutput("c", DataType::kInt8, Shape{1, 2});
  ASSERT_EQ(response->outputs().size(), 1u);
  EXPECT_EQ(response->FindOutput("a"), nullptr);
  EXPECT_EQ(response->FindOutput("b"), nullptr);
  EXPECT_EQ(only->name(), "c");
  EXPECT_EQ(only->datatype(), DataType::kInt8);
  EXPECT_EQ(only->shape(), (Shape{1, 2}));
  EXPECT_FALSE(only->has_buffer());
  response.reset();
  EXPECT_EQ(fake_.sink->live_buffers, 0) << "no memory is freed that this one did not get";
}

TEST_F(ResponsePoolTest, OneThatIsStillOutIsNotGivenToAnybodyElse) {
  const ResponsePtr first = New();
  const ResponsePtr second = New();
  EXPECT_NE(first.get(), second.get());
}

TEST_F(ResponsePoolTest, OneDroppedOnAnotherThreadServesAgain) {
  ResponsePtr response = New();
  const InferenceResponse* const first = response.get();
  AddWithBuffer(*response, "a");
  std::thread([dropped = std::move(response)]() mutable { dropped.reset(); }).join();
  EXPECT_EQ(fake_.sink->live_buffers, 0);
  EXPECT_EQ(New().get(), first);
}

TEST(ResponsePool, LetsGoOfMoreThanItsBound) {
  ResponsePool pool;
  std::vector<InferenceResponse*> all(3000);
  for (InferenceResponse*& one : all) one = pool.Take();
  for (InferenceResponse* one : all) pool.Give(one);
  // The last in would be the first out.
  InferenceResponse* const spare = pool.Take();
  const auto kept = std::find(all.begin(), all.end(), spare);
  ASSERT_NE(kept, all.end());
  EXPECT_EQ(kept - all.begin(), 1023);
  pool.Give(spare);
}

TEST(ResponsePool, EndsWithTheLastResponseOfAModelThatHasGone) {
  auto target = std::make_shared<FakeTarget>();
  const std::weak_ptr<FakeTarget> model = target;
  ResponsePtr last;
  {
    FakeRequest fake(target, {1, 1});
    ResponsePtr other = Respond(fake);  // a spare one by the time the pool ends
    last = Respond(fake);
  }
  target.reset();
  ASSERT_FALSE(model.expired());
  std::thread([dropped = std::move(last)]() mutable { dropped.reset(); }).join();
  EXPECT_TRUE(model.expired());
}

}  // namespace
}  // namespace trident
