// What a cached answer depends on, and what becomes of a response on its way through the cache.

#include "scheduler/model_cache.h"

#include <gtest/gtest.h>

#include <cstring>

#include "scheduler/local_cache.h"
#include "support/fake_model.h"

namespace trident {
namespace {

class ModelCacheTest : public testing::Test {
 protected:
  std::shared_ptr<ModelCache> NewLoad(const std::string& model = "model 1") {
    return std::make_shared<ModelCache>(store, model, target->statistics(),
                                        std::make_shared<Logger>(LogSettings()));
  }
  std::unique_ptr<FakeRequest> Request(float value = 1, Shape shape = {1, 2}) {
    auto request = std::make_unique<FakeRequest>(target, std::move(shape));
    for (float& number : request->data) number = value;
    return request;
  }

  // Executes what is not in the cache; true: it was.
  bool Infer(FakeRequest* request) {
    RequestPtr submitted = request->Submit(1);
    if (auto hit = cache->Find(submitted.get())) {
      cache->Answer(std::move(submitted), std::move(*hit));
      return true;
    }
    Execute(std::move(submitted), *request);
    return false;
  }

  // Answers 10 times the input, as a backend would.
  void Execute(RequestPtr submitted, const FakeRequest& request) {
    ResponsePtr response = InferenceResponse::New(submitted->channel());
    const Shape shape = submitted->inputs()[0]->shape();
    OutputTensor* output = response->AddOutput("out", DataType::kFp32, shape);
    ASSERT_TRUE(output->Allocate(request.data.size() * sizeof(float), {}).ok());
    for (size_t i = 0; i < request.data.size(); ++i) {
      static_cast<float*>(output->buffer().data)[i] = 10 * request.data[i];
    }
    response->parameters() = answer_parameters;
    response->set_status(answer_status);
    ++executions;
    ASSERT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
  }

  float AnswerOf(const FakeRequest& request) {
    const auto& response = request.sink->responses.back();
    EXPECT_TRUE(response->status().ok()) << response->status().message();
    return static_cast<const float*>(response->outputs()[0]->buffer().data)[0];
  }

  std::shared_ptr<FakeTarget> target = std::make_shared<FakeTarget>(Shape{-1});
  std::shared_ptr<LocalCache> store = std::make_shared<LocalCache>(1 << 20);
  std::shared_ptr<ModelCache> cache = NewLoad();
  std::vector<Parameter> answer_parameters;
  Status answer_status;
  int executions = 0;
};

TEST_F(ModelCacheTest, TheSameQuestionIsAnsweredWithoutExecution) {
  answer_parameters = {Parameter::Int("n", 3)};
  const auto first = Request(4), second = Request(4);
  second->request.id = "another";
  EXPECT_FALSE(Infer(first.get()));
  EXPECT_TRUE(Infer(second.get()));
  EXPECT_EQ(executions, 1);
  for (const auto* request : {first.get(), second.get()}) {
    EXPECT_EQ(AnswerOf(*request), 40);
    EXPECT_EQ(request->sink->finals, 1);
    EXPECT_EQ(request->releases, 1);
  }
  const auto& response = second->sink->responses[0];
  EXPECT_EQ(response->request_id(), "another");
  EXPECT_EQ(response->outputs()[0]->shape(), (Shape{1, 2}));
  EXPECT_EQ(response->outputs()[0]->datatype(), DataType::kFp32);
  ASSERT_EQ(response->parameters().size(), 1u);
  EXPECT_EQ(response->parameters()[0].int_value, 3);
}

TEST_F(ModelCacheTest, OtherBytesAreAnotherQuestion) {
  const auto first = Request(4), second = Request(5);
  EXPECT_FALSE(Infer(first.get()));
  EXPECT_FALSE(Infer(second.get()));
  EXPECT_EQ(AnswerOf(*second), 50);
}

// Triton's key leaves out all but names and bytes, and so mixes up these.
TEST_F(ModelCacheTest, ShapeOutputsParametersAndDatatypeAreParts) {
  EXPECT_FALSE(Infer(Request(0, {1, 4}).get()));
  EXPECT_FALSE(Infer(Request(0, {2, 2}).get())) << "the same bytes in another shape";

  const auto asking = Request(0, {1, 4});
  asking->request.parameters = {Parameter::String("mode", "fast")};
  EXPECT_FALSE(Infer(asking.get())) << "a parameter more";
  const auto otherwise = Request(0, {1, 4});
  otherwise->request.parameters = {Parameter::String("mode", "slow")};
  EXPECT_FALSE(Infer(otherwise.get())) << "another value";

  target->mutable_signature().outputs.push_back({"more", DataType::kFp32, {-1}});
  EXPECT_FALSE(Infer(Request(0, {1, 4}).get())) << "all outputs of a model that has two";
  const auto one = Request(0, {1, 4});
  ASSERT_TRUE(one->request.AddRequestedOutput("more").ok());
  EXPECT_FALSE(Infer(one.get())) << "one output";

  target->mutable_signature().inputs[0].datatype = DataType::kInt32;
  FakeRequest integers(target, {1, 4});
  integers.request.RemoveAllInputs();
  InputTensor* input = *integers.request.AddInput("in", DataType::kInt32, {1, 4});
  ConstBuffer buffer{integers.data.data(), {}};
  buffer.attributes.byte_size = 16;
  ASSERT_TRUE(input->Append(buffer).ok());
  EXPECT_FALSE(Infer(&integers)) << "another datatype";
}

TEST_F(ModelCacheTest, TheOrderOfParametersAndOutputsIsNoPart) {
  target->mutable_signature().outputs.push_back({"more", DataType::kFp32, {-1}});
  const auto first = Request(), second = Request();
  first->request.parameters = {Parameter::Int("a", 1), Parameter::Bool("b", true)};
  second->request.parameters = {Parameter::Bool("b", true), Parameter::Int("a", 1)};
  for (const char* name : {"out", "more"}) {
    ASSERT_TRUE(first->request.AddRequestedOutput(name).ok());
  }
  for (const char* name : {"more", "out"}) {
    ASSERT_TRUE(second->request.AddRequestedOutput(name).ok());
  }
  EXPECT_FALSE(Infer(first.get()));
  EXPECT_TRUE(Infer(second.get()));
}

TEST_F(ModelCacheTest, BytesMayComeInPieces) {
  const auto whole = Request(7);
  EXPECT_FALSE(Infer(whole.get()));
  const auto pieces = Request(7);
  pieces->request.RemoveAllInputs();
  InputTensor* input = *pieces->request.AddInput("in", DataType::kFp32, {1, 2});
  for (int i = 0; i < 2; ++i) {
    ConstBuffer buffer{pieces->data.data() + i, {}};
    buffer.attributes.byte_size = sizeof(float);
    ASSERT_TRUE(input->Append(buffer).ok());
  }
  EXPECT_TRUE(Infer(pieces.get()));
}

TEST_F(ModelCacheTest, AnotherVersionOrLoadOfTheModelKnowsNothing) {
  EXPECT_FALSE(Infer(Request().get()));
  const auto first = cache;
  cache = NewLoad("model 2");
  EXPECT_FALSE(Infer(Request().get()));
  cache = first;
  EXPECT_TRUE(Infer(Request().get()));
  cache = NewLoad();  // its files may have changed
  EXPECT_FALSE(Infer(Request().get()));
}

// Servers that share a cache have the same keys for their first loads, whatever else they load.
TEST(ResponseCacheTest, CountsTheLoadsOfEachModel) {
  LocalCache cache(1);
  EXPECT_EQ(cache.CountLoad("a 1"), 0u);
  EXPECT_EQ(cache.CountLoad("a 1"), 1u);
  EXPECT_EQ(cache.CountLoad("b 1"), 0u);
}

TEST_F(ModelCacheTest, FailuresAreNotRemembered) {
  answer_status = Internal("bad luck");
  EXPECT_FALSE(Infer(Request().get()));
  answer_status = Status::Ok();
  EXPECT_FALSE(Infer(Request().get()));
  EXPECT_TRUE(Infer(Request().get()));
  EXPECT_EQ(target->statistics().Read().cache_miss.count, 1u) << "a failure is no cache miss";
}

// What does not fit is delivered all the same, and not even copied.
TEST_F(ModelCacheTest, AResponseLargerThanTheCacheGoesBy) {
  store = std::make_shared<LocalCache>(100);
  cache = NewLoad();
  const auto first = Request(1, {1, 1000}), second = Request(1, {1, 1000});
  EXPECT_FALSE(Infer(first.get()));
  EXPECT_FALSE(Infer(second.get()));
  EXPECT_EQ(AnswerOf(*second), 10);
  EXPECT_EQ(store->Read()->entries, 0u);
}

TEST_F(ModelCacheTest, AnOutputWithoutBytesIsNotRemembered) {
  for (int i = 0; i < 2; ++i) {
    const auto request = Request(2);
    RequestPtr submitted = request->Submit(1);
    EXPECT_FALSE(cache->Find(submitted.get()));
    ResponsePtr response = InferenceResponse::New(submitted->channel());
    response->AddOutput("out", DataType::kFp32, {1, 2});
    EXPECT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
  }
}

TEST_F(ModelCacheTest, TheLastOfSeveralResponsesIsNotTheAnswer) {
  const auto first = Request(3), second = Request(3);
  RequestPtr submitted = first->Submit(1);
  EXPECT_FALSE(cache->Find(submitted.get()));
  ResponsePtr part = InferenceResponse::New(submitted->channel());
  EXPECT_TRUE(InferenceResponse::Send(std::move(part), 0).ok());
  Execute(std::move(submitted), *first);
  EXPECT_FALSE(Infer(second.get()));
}

TEST_F(ModelCacheTest, DeviceMemoryAndDataPerHostPolicyGoBy) {
  for (int turn = 0; turn < 2; ++turn) {
    const auto device = Request();
    device->request.RemoveAllInputs();
    InputTensor* input = *device->request.AddInput("in", DataType::kFp32, {1, 2});
    ConstBuffer buffer{device->data.data(), {MemoryType::kGpu, 0, 2 * sizeof(float)}};
    ASSERT_TRUE(input->Append(buffer).ok());
    EXPECT_FALSE(Infer(device.get()));
    const auto policies = Request();
    buffer.attributes.memory_type = MemoryType::kCpu;
    ASSERT_TRUE((*policies->request.FindInput("in"))->AppendForHostPolicy("cpu", buffer).ok());
    EXPECT_FALSE(Infer(policies.get()));
  }
  EXPECT_EQ(store->Read()->lookups, 0u);
}

TEST_F(ModelCacheTest, ASecondInsertionIsSilentAndNoMiss) {
  const auto first = Request(), second = Request();
  RequestPtr one = first->Submit(1), other = second->Submit(1);
  EXPECT_FALSE(cache->Find(one.get()).has_value());
  EXPECT_FALSE(cache->Find(other.get()).has_value());
  Execute(std::move(one), *first);
  Execute(std::move(other), *second);
  EXPECT_EQ(target->statistics().Read().cache_miss.count, 1u);
  EXPECT_EQ(store->Read()->entries, 1u);
}

TEST_F(ModelCacheTest, AHitIsASuccessButNoInference) {
  EXPECT_FALSE(Infer(Request().get()));
  const StatisticsSnapshot before = target->statistics().Read();
  EXPECT_TRUE(Infer(Request().get()));
  const StatisticsSnapshot after = target->statistics().Read();
  EXPECT_EQ(after.success.count, before.success.count + 1);
  EXPECT_EQ(after.queue.count, before.queue.count + 1);
  EXPECT_GT(after.success.ns, before.success.ns);
  EXPECT_EQ(after.cache_hit.count, 1u);
  EXPECT_GT(after.cache_hit.ns, 0u);
  EXPECT_EQ(after.cache_miss.count, 1u);
  EXPECT_GT(after.cache_miss.ns, 0u);
  EXPECT_EQ(after.inference_count, before.inference_count);
  EXPECT_EQ(after.execution_count, before.execution_count);
}

TEST_F(ModelCacheTest, AClientThatGivesNoMemoryForAHitHasTheModelExecute) {
  EXPECT_FALSE(Infer(Request().get()));
  const auto choosy = Request();
  choosy->sink->refuse_memory = true;
  RequestPtr submitted = choosy->Submit(1);
  EXPECT_FALSE(cache->Find(submitted.get()));
  EXPECT_EQ(choosy->sink->finals, 0);
  choosy->sink->refuse_memory = false;
  Execute(std::move(submitted), *choosy);
  EXPECT_EQ(AnswerOf(*choosy), 10);
  EXPECT_EQ(choosy->sink->finals, 1);
  EXPECT_EQ(choosy->releases, 1);
  EXPECT_TRUE(Infer(Request().get()));
}

TEST_F(ModelCacheTest, ReshapedOutputsComeBackAsTheClientSeesThem) {
  target->mutable_signature().outputs[0].dims = {2, 1};
  target->mutable_signature().outputs[0].reshape = Shape{2};
  const auto first = Request(), second = Request();
  EXPECT_FALSE(Infer(first.get()));
  EXPECT_TRUE(Infer(second.get()));
  for (const auto* request : {first.get(), second.get()}) {
    EXPECT_EQ(request->sink->responses[0]->outputs()[0]->shape(), (Shape{1, 2, 1}));
  }
}

TEST_F(ModelCacheTest, NothingIsLeftBehind) {
  for (int i = 0; i < 3; ++i) {
    const auto request = Request();
    Infer(request.get());
    request->sink->responses.clear();
    EXPECT_EQ(request->sink->live_buffers, 0);
  }
  EXPECT_EQ(target->in_flight.load(), 0);
}

}  // namespace
}  // namespace trident
