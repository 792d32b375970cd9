#include "inference/request.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_model.h"

namespace trident {
namespace {

ConstBuffer Bytes(const void* data, uint64_t byte_size) {
  ConstBuffer buffer{data, {}};
  buffer.attributes.byte_size = byte_size;
  return buffer;
}

class Request : public ::testing::Test {
 protected:
  ~Request() override { sink_->responses.clear(); }  // which hold the sink

  // A request with nothing in it yet.
  InferenceRequest& Empty() {
    request_ = std::make_unique<InferenceRequest>(target_, -1);
    request_->sink = sink_;
    request_->on_release = [this](InferenceRequest*, uint32_t) { ++releases_; };
    return *request_;
  }

  InferenceRequest& With(DataType datatype, Shape shape, uint64_t byte_size) {
    InferenceRequest& request = Empty();
    InputTensor* input = *request.AddInput("in", datatype, std::move(shape));
    EXPECT_TRUE(input->Append(Bytes(data_, byte_size)).ok());
    return request;
  }

  void ExpectRefused(InferenceRequest& request, const std::string& part) {
    const Status status = request.Prepare();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    EXPECT_EQ(status.message().find("[request id: "), 0u) << status.message();
  }

  char data_[4096] = {};
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>(Shape{4});
  std::shared_ptr<RecordingSink> sink_ = std::make_shared<RecordingSink>();
  std::unique_ptr<InferenceRequest> request_;
  int releases_ = 0;
};

TEST_F(Request, ALegalOneIsPrepared) {
  InferenceRequest& request = With(DataType::kFp32, {3, 4}, 48);
  EXPECT_TRUE(request.Prepare().ok());
  EXPECT_EQ(request.batch_size(), 3u);
}

TEST_F(Request, BatchOfZeroItemsCountsOne) {
  InferenceRequest& request = With(DataType::kFp32, {0, 4}, 0);
  EXPECT_TRUE(request.Prepare().ok());
  EXPECT_EQ(request.batch_size(), 1u);
}

TEST_F(Request, RefusesWhatDoesNotFitTheModel) {
  ExpectRefused(With(DataType::kFp64, {1, 4}, 32), "data-type is 'FP64'");
  ExpectRefused(With(DataType::kFp32, {1, 5}, 20), "Expected [-1,4], got [1,5]");
  ExpectRefused(With(DataType::kFp32, {4}, 16), "Expected [-1,4], got [4]");
  ExpectRefused(With(DataType::kFp32, {}, 0), "requires a batch dimension");
  ExpectRefused(With(DataType::kFp32, {9, 4}, 144), "batch-size must be <= 8");
  ExpectRefused(With(DataType::kFp32, {2, 4}, 16), "Expected 32, got 16");
  ExpectRefused(With(DataType::kFp32, {-1, 4}, 16), "must be given and not negative");
  ExpectRefused(With(DataType::kFp32, {INT64_MAX, 4}, 16), "overflows");
}

TEST_F(Request, NamesWhatIsMissingOrUnknown) {
  ExpectRefused(Empty(), "missing required input(s) 'in'");
  InferenceRequest& unknown = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(unknown.AddInput("else", DataType::kFp32, {1}).ok());
  ExpectRefused(unknown, "unexpected inference input 'else'");
  InferenceRequest& output = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(output.AddRequestedOutput("nope").ok());
  ExpectRefused(output, "unexpected inference output 'nope'");
}

TEST_F(Request, RefusesDoublesAndTooMany) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  EXPECT_FALSE(request.AddInput("in", DataType::kFp32, {1}).ok());
  EXPECT_TRUE(request.AddRequestedOutput("out").ok());
  EXPECT_FALSE(request.AddRequestedOutput("out").ok());
  EXPECT_FALSE(request.AddRequestedOutput("more").ok()) << "the model has one output";
  EXPECT_FALSE(request.AddInput("wide", DataType::kFp32, Shape(kMaxRank + 1, 1)).ok());
  EXPECT_FALSE(request.RemoveInput("absent").ok());
}

TEST_F(Request, ByteSizesThatOverflowAreRefused) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  InputTensor* input = *request.FindInput("in");
  EXPECT_EQ(input->Append(Bytes(data_, UINT64_MAX)).code(), StatusCode::kInvalidArg);
}

TEST_F(Request, BytesElementsAreWalkedOverAllBuffers) {
  target_->mutable_signature().inputs[0].datatype = DataType::kBytes;
  target_->mutable_signature().inputs[0].dims = {2};
  const char good[] = "\3\0\0\0abc\0\0\0\0";  // "abc" and ""
  for (uint64_t split = 0; split <= 11; ++split) {
    InferenceRequest& request = Empty();
    InputTensor* input = *request.AddInput("in", DataType::kBytes, {1, 2});
    ASSERT_TRUE(input->Append(Bytes(good, split)).ok());
    ASSERT_TRUE(input->Append(Bytes(good + split, 11 - split)).ok());
    EXPECT_TRUE(request.Prepare().ok()) << "split at " << split;
  }
  const auto refused = [&](const char* bytes, uint64_t size, const char* part) {
    InferenceRequest& request = Empty();
    InputTensor* input = *request.AddInput("in", DataType::kBytes, {1, 2});
    ASSERT_TRUE(input->Append(Bytes(bytes, size)).ok());
    ExpectRefused(request, part);
  };
  refused(good, 7, "found 1");
  refused(good, 9, "incomplete length");
  refused("\xff\xff\xff\xff", 4, "claims 4294967295 bytes");
  refused("\0\0\0\0\0\0\0\0\0\0\0\0", 12, "found more");
}

// Only what has not changed since is not checked again.
TEST_F(Request, EveryChangeOfAPreparedOneIsChecked) {
  InferenceRequest& request = With(DataType::kFp32, {3, 4}, 48);
  InputTensor* input = *request.FindInput("in");
  const auto restore = [&] {
    input->RemoveData();
    ASSERT_TRUE(input->Append(Bytes(data_, 48)).ok());
    ASSERT_TRUE(request.Prepare().ok());
    ASSERT_TRUE(request.Prepare().ok());
    ASSERT_EQ(request.batch_size(), 3u);
  };
  restore();
  ASSERT_TRUE(input->Append(Bytes(data_, 4)).ok());
  ExpectRefused(request, "got 52");
  ExpectRefused(request, "got 52");
  input->RemoveData();
  ExpectRefused(request, "got 0");
  restore();
  ASSERT_TRUE(input->AppendForHostPolicy("near", Bytes(data_, 8)).ok());
  ExpectRefused(request, "got 8");
  restore();
  input->Own(nullptr, Bytes(data_, 12));
  ExpectRefused(request, "got 12");
  restore();
  ASSERT_TRUE(request.AddInput("other", DataType::kFp32, {3, 4}).ok());
  ExpectRefused(request, "unexpected inference input 'other'");
  ASSERT_TRUE(request.RemoveInput("other").ok());
  restore();
  ASSERT_TRUE(request.AddRequestedOutput("other").ok());
  ExpectRefused(request, "unexpected inference output 'other'");
  request.RemoveAllRequestedOutputs();
  restore();
  request.Rebind(std::make_shared<FakeTarget>(Shape{5}));
  ExpectRefused(request, "Expected [-1,5], got [3,4]");
  request.Rebind(target_);
  restore();
  ASSERT_TRUE(request.RemoveInput("in").ok());
  ExpectRefused(request, "missing required input(s) 'in'");
  input = *request.AddInput("in", DataType::kFp32, {3, 4});
  restore();
  request.RemoveAllInputs();
  ExpectRefused(request, "missing required input(s) 'in'");
}

TEST_F(Request, StringsAreReadAgainWhereTheyWereGood) {
  target_->mutable_signature().inputs[0].datatype = DataType::kBytes;
  target_->mutable_signature().inputs[0].dims = {1};
  char text[] = "\3\0\0\0abc";
  InferenceRequest& request = Empty();
  ASSERT_TRUE((*request.AddInput("in", DataType::kBytes, {1, 1}))->Append(Bytes(text, 7)).ok());
  ASSERT_TRUE(request.Prepare().ok());
  text[0] = 4;
  ExpectRefused(request, "claims 4 bytes");
}

TEST_F(Request, RawInputTakesItsShapeFromTheModel) {
  InferenceRequest& request = Empty();
  ASSERT_TRUE(request.AddRawInput("in").ok());
  ASSERT_TRUE((*request.FindInput("in"))->Append(Bytes(data_, 16)).ok());
  ASSERT_TRUE(request.Prepare().ok());
  EXPECT_EQ(request.inputs()[0]->shape(), (Shape{1, 4}));
  EXPECT_FALSE(request.AddInput("other", DataType::kFp32, {1}).ok());
}

// The backend knows it by the name in the model's configuration.
TEST_F(Request, RawInputHasTheModelsNameForTheBackend) {
  InferenceRequest& request = Empty();
  ASSERT_TRUE(request.AddRawInput("whatever").ok());
  ASSERT_TRUE((*request.FindInput("whatever"))->Append(Bytes(data_, 16)).ok());
  ASSERT_TRUE(request.Prepare().ok());
  EXPECT_TRUE(request.FindBackendInput("in").ok());
  EXPECT_FALSE(request.FindBackendInput("whatever").ok());
}

TEST_F(Request, CannotBeCancelledBeforeItIsSubmitted) {
  EXPECT_EQ(With(DataType::kFp32, {1, 4}, 16).Cancel().code(), StatusCode::kInternal);
}

// Its submission may be under way on another thread.
TEST_F(Request, CannotBeCancelledWhileItIsClaimed) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(request.Prepare().ok());
    ASSERT_TRUE(request.Claim());
    EXPECT_EQ(request.Cancel().code(), StatusCode::kInternal);
    request.Submit(1);
    EXPECT_TRUE(request.Cancel().ok());
    EXPECT_TRUE(request.IsCancelled());
    RequestPtr(&request).reset();
  }
}

TEST_F(Request, ItsInputsOfABatchAgreeAboutItsItems) {
  TensorSpec other = target_->signature().inputs.front();
  other.name = "other";
  target_->mutable_signature().inputs.push_back(other);
  for (const int64_t items : {2, 3}) {
    InferenceRequest& request = With(DataType::kFp32, {2, 4}, 32);
    InputTensor* const input = *request.AddInput("other", DataType::kFp32, {items, 4});
    ASSERT_TRUE(input->Append(Bytes(data_, 16 * static_cast<uint64_t>(items))).ok());
    const Status status = request.PrepareScheduled();
    EXPECT_EQ(status.ok(), items == 2) << status.message();
    EXPECT_TRUE(!status.ok() || request.batch_size() == 2);
  }
}

TEST_F(Request, ReleasedWithoutAnswerSendsInternal) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  RequestPtr(&request).reset();
  EXPECT_EQ(sink_->finals, 1);
  EXPECT_EQ(sink_->responses[0]->status().code(), StatusCode::kInternal);
  EXPECT_EQ(releases_, 1);
  EXPECT_EQ(target_->in_flight.load(), 0);
}

TEST_F(Request, MayBeAnsweredAfterItsRelease) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  ResponsePtr response = InferenceResponse::New(request.channel());
  RequestPtr(&request).reset();
  EXPECT_EQ(sink_->finals, 0);
  EXPECT_EQ(target_->in_flight.load(), 1) << "the response still needs the model";
  EXPECT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
  EXPECT_EQ(sink_->finals, 1);
  EXPECT_EQ(target_->in_flight.load(), 0);
}

TEST_F(Request, ASecondFinalResponseIsDropped) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  Answer(request);
  ResponsePtr second = InferenceResponse::New(request.channel());
  EXPECT_EQ(InferenceResponse::Send(std::move(second), kResponseFinal).code(),
            StatusCode::kInvalidArg);
  RequestPtr(&request).reset();
  EXPECT_EQ(sink_->finals, 1);
}

TEST_F(Request, CanBeSubmittedAgain) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(request.Prepare().ok());
    request.Submit(1);
    Answer(request);
    RequestPtr(&request).reset();
    EXPECT_EQ(releases_, i);
    EXPECT_EQ(sink_->finals, i);
  }
  EXPECT_EQ(target_->in_flight.load(), 0);
}

TEST_F(Request, OutputMemoryComesFromTheSinkAndGoesBack) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  ResponsePtr response = InferenceResponse::New(request.channel());
  OutputTensor* output = response->AddOutput("out", DataType::kFp32, {1, 4});
  EXPECT_EQ(output->Allocate(15, {}).code(), StatusCode::kInvalidArg);
  EXPECT_TRUE(output->Allocate(16, {}).ok());
  EXPECT_FALSE(output->Allocate(16, {}).ok()) << "twice";
  EXPECT_EQ(sink_->live_buffers, 1);
  EXPECT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
  EXPECT_EQ(sink_->live_buffers, 1) << "the receiver reads it";
  sink_->responses.clear();
  EXPECT_EQ(sink_->live_buffers, 0);
  RequestPtr(&request).reset();
}

TEST_F(Request, AResponseThatServesAgainHasNothingOfItsFormerLife) {
  const InferenceResponse* first = nullptr;
  const void* memory_of_the_shape = nullptr;
  {
    InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
    request.id = "the first";
    ASSERT_TRUE(request.Prepare().ok());
    request.Submit(1);
    ResponsePtr response = InferenceResponse::New(request.channel());
    first = response.get();
    response->parameters().push_back(Parameter::Int("x", 1));
    response->MarkStarted();
    OutputTensor* output = response->AddOutput("out", DataType::kFp32, {1, 4});
    ASSERT_TRUE(output->Allocate(16, {}).ok());
    response->AddOutput("other", DataType::kInt32, {2, 3});
    memory_of_the_shape = output->shape().data();
    response->set_status(Unavailable("it failed"));
    ASSERT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
    sink_->responses.clear();
    RequestPtr(&request).reset();
  }
  auto sink = std::make_shared<RecordingSink>();
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  request.sink = sink;
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  ResponsePtr response = InferenceResponse::New(request.channel());
  ASSERT_EQ(response.get(), first);
  EXPECT_TRUE(response->status().ok());
  EXPECT_TRUE(response->parameters().empty());
  EXPECT_TRUE(response->outputs().empty());
  EXPECT_EQ(response->FindOutput("out"), nullptr);
  EXPECT_EQ(response->request_id(), "");
  OutputTensor* output = response->AddOutput("other", DataType::kInt32, {4});
  EXPECT_FALSE(output->has_buffer());
  EXPECT_EQ(output->buffer().data, nullptr);
  EXPECT_EQ(output->name(), "other");
  EXPECT_EQ(output->datatype(), DataType::kInt32);
  EXPECT_EQ(output->shape(), Shape{4});
  EXPECT_EQ(output->shape().data(), memory_of_the_shape);
  ASSERT_TRUE(output->Allocate(16, {}).ok());
  EXPECT_EQ(sink->live_buffers, 1);
  response.reset();
  EXPECT_EQ(sink->live_buffers, 0);
  RequestPtr(&request).reset();
  sink->responses.clear();
}

TEST_F(Request, AResponseKeptToTheEndKeepsItsModel) {
  InferenceRequest& request = With(DataType::kFp32, {1, 4}, 16);
  ASSERT_TRUE(request.Prepare().ok());
  request.Submit(1);
  Answer(request);
  RequestPtr(&request).reset();
  request_.reset();
  const std::weak_ptr<FakeTarget> model = std::exchange(target_, nullptr);
  EXPECT_EQ(sink_->responses[0]->model().name, model.lock()->signature().name);
  std::thread([this] { sink_->responses.clear(); }).join();
  EXPECT_TRUE(model.expired()) << "what is in its pool does not keep it";
}

TEST_F(Request, ResponsesComeAndGoOnManyThreads) {
  constexpr int kThreads = 4;
  std::vector<std::unique_ptr<FakeRequest>> requests;
  for (int i = 0; i < kThreads; ++i) {
    requests.push_back(
        std::make_unique<FakeRequest>(target_, Shape{1, 4}, "request " + std::to_string(i)));
  }
  std::vector<std::thread> threads;
  for (auto& fake : requests) {
    threads.emplace_back([&fake] {
      for (int round = 0; round < 500; ++round) {
        RequestPtr request = fake->Submit(1);
        std::vector<ResponsePtr> responses;
        for (int i = 0; i < 1 + round % 7; ++i) {
          responses.push_back(InferenceResponse::New(request->channel()));
          ASSERT_EQ(responses.back()->request_id(), request->id);
          ASSERT_TRUE(responses.back()->outputs().empty());
          responses.back()->AddOutput("out", DataType::kFp32, {1, 4});
        }
        ASSERT_TRUE(InferenceResponse::Send(std::move(responses[0]), kResponseFinal).ok());
        fake->sink->responses.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(target_->in_flight.load(), 0);
}

}  // namespace
}  // namespace trident
