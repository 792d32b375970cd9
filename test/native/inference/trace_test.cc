#include "inference/trace.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "inference/trace_tensors.h"
#include "support/fake_model.h"

namespace trident {
namespace {

constexpr uint32_t kEverything = kTraceTimestamps | kTraceTensors;

// Writes down what it is told, a word for each; a released trace is the test's again.
class RecordingListener : public TraceListener {
 public:
  void OnActivity(InferenceTrace* trace, TraceActivity activity, uint64_t ns) override {
    static constexpr const char* kWords[] = {"start", "queue", "compute", "input", "output", "done",
                                             "end",   "",      "",        "",      "custom"};
    Write(kWords[static_cast<int>(activity)]);
    times.push_back(ns);
    contexts.push_back(trace->context());
    if (inside) inside(trace);
  }
  void OnTensor(InferenceTrace*, TraceActivity, const TracedTensor& tensor) override {
    Write(tensor.name);
    const auto* bytes = static_cast<const char*>(tensor.bytes.data);
    tensors.emplace_back(bytes, bytes + tensor.bytes.attributes.byte_size);
  }
  void OnRelease(InferenceTrace*) override { Write("released"); }

  std::string told;
  std::vector<uint64_t> times;
  std::vector<std::string> contexts;
  std::vector<std::string> tensors;
  std::function<void(InferenceTrace*)> inside;

 private:
  void Write(const std::string& word) { told += (told.empty() ? "" : " ") + word; }
};

class Trace : public ::testing::Test {
 protected:
  std::shared_ptr<RecordingListener> listener_ = std::make_shared<RecordingListener>();
  InferenceTrace trace_{kEverything, 0, listener_};
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>(Shape{4});
  FakeRequest fake_{target_, {1, 4}, "seven"};
};

TEST_F(Trace, ChildrenKnowTheirParent) {
  const auto child = trace_.SpawnChild();
  EXPECT_NE(trace_.id(), 0u);
  EXPECT_EQ(trace_.parent_id(), 0u);
  EXPECT_GT(child->id(), trace_.id());
  EXPECT_EQ(child->parent_id(), trace_.id());
  child->Report(TraceActivity::kQueueStart, 5);
  EXPECT_EQ(listener_->told, "queue");
}

TEST_F(Trace, TellsWhatItsLevelAsksFor) {
  InferenceTrace times(kTraceTimestamps, 0, listener_);
  InferenceTrace tensors(kTraceTensors, 0, listener_);
  const Shape shape{1};
  for (InferenceTrace* trace : {&times, &tensors}) {
    trace->Report(TraceActivity::kRequestStart, 1);
    trace->ReportCustom(2, "any");
    trace->ReportTensor(TraceActivity::kTensorQueueInput, {"x", DataType::kInt8, shape, {}});
  }
  EXPECT_EQ(listener_->told, "start custom x");
}

TEST_F(Trace, MomentsThatHaveNotBeenAreNotTold) {
  trace_.ReportCompute({10, 0, 0, 40});
  EXPECT_EQ(listener_->told, "compute done");
  EXPECT_EQ(listener_->times, (std::vector<uint64_t>{10, 40}));
}

TEST_F(Trace, NamesOfCustomActivitiesAreInTheContextWhileTheyAreTold) {
  trace_.ReportCustom(7, "bare");
  EXPECT_EQ(listener_->contexts.back(), R"({"7":"bare"})");
  EXPECT_STREQ(trace_.context(), "");

  trace_.SetContext(R"({"a": 1})");
  const char* const before = trace_.context();
  listener_->inside = [](InferenceTrace* trace) {
    if (std::string(trace->context()).find("inner") == std::string::npos) {
      trace->ReportCustom(9, "inner \"quoted\"");
    }
  };
  trace_.ReportCustom(8, "outer");
  EXPECT_EQ(listener_->contexts.back(), R"({"a": 1,"8":"outer","9":"inner \"quoted\""})");
  EXPECT_STREQ(trace_.context(), R"({"a": 1})");
  EXPECT_STREQ(before, R"({"a": 1})");  // what was asked for earlier is still there
}

TEST_F(Trace, OnlyJsonObjectsGetNamesOfCustomActivities) {
  const std::string deep(100'000, '[');
  const std::vector<std::pair<std::string, std::string>> texts = {
      {"{ }", R"({ "7":"x"})"},
      {" \n{\"a\":{}} ", " \n{\"a\":{},\"7\":\"x\"} "},
      {"{ no object", "{ no object"},
      {"[1]", "[1]"},
      {" ", " "},
      {"{} {}", "{} {}"},
      {deep, deep}};
  for (const auto& [text, seen] : texts) {
    trace_.SetContext(text);
    trace_.ReportCustom(7, "x");
    EXPECT_EQ(listener_->contexts.back(), seen);
  }
  trace_.SetContext("");
  trace_.ReportCustom(7, "no\xFFUTF-8");
  EXPECT_EQ(listener_->contexts.back(), "{\"7\":\"no\uFFFDUTF-8\"}");
}

// Counts contexts that are not this thread's.
struct Comparing : TraceListener {
  void OnActivity(InferenceTrace* trace, TraceActivity, uint64_t) override {
    if (expected != trace->context()) ++wrong;
  }
  void OnTensor(InferenceTrace*, TraceActivity, const TracedTensor&) override {}
  void OnRelease(InferenceTrace*) override {}

  static inline thread_local std::string expected;
  std::atomic<int> wrong{0};
};

TEST_F(Trace, ThreadsThatReportAtOnceSeeTheirOwnNames) {
  const auto listener = std::make_shared<Comparing>();
  InferenceTrace trace(kTraceTimestamps, 0, listener);
  const auto report = [&](const std::string& name) {
    Comparing::expected = R"({"7":")" + name + R"("})";
    for (int i = 0; i < 1000; ++i) trace.ReportCustom(7, name);
  };
  std::thread one(report, "one"), other(report, "other");
  for (int i = 0; i < 1000; ++i) EXPECT_STREQ(trace.context(), "");
  one.join();
  other.join();
  EXPECT_EQ(listener->wrong, 0);
}

TEST_F(Trace, LastHolderGivesItBack) {
  TraceHold one(&trace_);
  TraceHold other = one;
  one = {};
  EXPECT_EQ(listener_->told, "");
  TraceHold moved = std::move(other);
  moved = {};
  EXPECT_EQ(listener_->told, "released");

  TraceHold forgotten(&trace_);
  forgotten.Forget();
  forgotten = {};
  EXPECT_EQ(listener_->told, "released");
}

TEST_F(Trace, RequestIsToldFromItsSubmissionToItsRelease) {
  fake_.request.set_trace(&trace_);
  RequestPtr request = fake_.Submit(77);
  EXPECT_EQ(listener_->told, "start queue in");
  EXPECT_EQ(listener_->times, (std::vector<uint64_t>{77, 77}));
  EXPECT_EQ(trace_.model_name(), "fake");
  EXPECT_EQ(trace_.model_version(), 1);
  EXPECT_EQ(trace_.request_id(), "seven");
  TraceBackendInputs(*request, "");
  ResponsePtr response = InferenceResponse::New(request->channel());
  OutputTensor* const output = response->AddOutput("out", DataType::kFp32, Shape{1, 4});
  ASSERT_TRUE(output->Allocate(16, {}).ok());
  memset(output->buffer().data, 1, 16);
  ASSERT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
  request.reset();
  EXPECT_EQ(listener_->told, "start queue in in out end");
  EXPECT_EQ(listener_->tensors[2], std::string(16, '\1'));
  EXPECT_EQ(fake_.request.trace(), nullptr);
  fake_.sink->responses.clear();
  EXPECT_EQ(listener_->told, "start queue in in out end released");
}

TEST_F(Trace, ErrorsEndItOnce) {
  fake_.request.set_trace(&trace_);
  RespondError(fake_.Submit(1), Unavailable("no"));
  fake_.sink->responses.clear();
  EXPECT_EQ(listener_->told, "start queue in end released");
}

TEST_F(Trace, RequestWithoutAnyResponseEnds) {
  fake_.request.set_trace(&trace_);
  fake_.Submit(1).reset();
  EXPECT_EQ(listener_->told, "start queue in end");  // the core's own response holds it
  fake_.sink->responses.clear();
  EXPECT_EQ(listener_->told, "start queue in end released");
}

TEST_F(Trace, WithdrawnRequestKeepsItAndBeginsOnce) {
  fake_.request.set_trace(&trace_);
  fake_.Submit(1).release()->Withdraw();
  EXPECT_EQ(listener_->told, "start queue in");
  const std::string& request_id = trace_.request_id();
  fake_.request.id = "another, of which nothing has been told";
  RespondError(fake_.Submit(2), Unavailable("no"));
  EXPECT_EQ(request_id, "seven");
  fake_.sink->responses.clear();
  EXPECT_EQ(listener_->told, "start queue in end released");
}

TEST_F(Trace, FactoryKeepsItToItsEnd) {
  fake_.request.set_trace(&trace_);
  RequestPtr request = fake_.Submit(1);
  const std::shared_ptr<ResponseChannel> channel = request->channel();
  channel->Hold();
  request.reset();
  ASSERT_TRUE(channel->Send(nullptr, kResponseFinal).ok());
  EXPECT_EQ(listener_->told, "start queue in end");
  channel->LetGo();
  EXPECT_EQ(listener_->told, "start queue in end released");
}

// Keeps what is released to be executed again.
struct Keeper : ReleaseWatcher {
  bool OnRelease(InferenceRequest*, uint32_t flags) override {
    return (flags & kReleaseReschedule) != 0;
  }
};

TEST_F(Trace, RescheduledRequestQueuesAgain) {
  Keeper keeper;
  fake_.request.set_trace(&trace_);
  InferenceRequest* const request = fake_.Submit(1).release();
  request->set_release_watcher(&keeper);
  request->Release(kReleaseReschedule);
  EXPECT_EQ(listener_->told, "start queue in queue");
  request->Release(kReleaseAll);
  fake_.sink->responses.clear();
  EXPECT_EQ(listener_->told, "start queue in queue end released");
}

TEST_F(Trace, BlocksOfAnInputAreToldAsOne) {
  float more[4] = {1, 2, 3, 4};
  InferenceRequest& request = fake_.request;
  InputTensor* const input = *request.FindInput("in");
  input->RemoveData();
  for (float* half : {more, more + 2}) {
    ConstBuffer buffer{half, {}};
    buffer.attributes.byte_size = 8;
    ASSERT_TRUE(input->Append(buffer).ok());
  }
  request.set_trace(&trace_);
  fake_.Submit(1).reset();
  ASSERT_EQ(listener_->tensors.size(), 1u);
  EXPECT_EQ(memcmp(listener_->tensors[0].data(), more, sizeof(more)), 0);
}

TEST_F(Trace, BlocksThatCanNotBeReadAreLeftOut) {
  InputTensor* const input = *fake_.request.FindInput("in");
  input->RemoveData();
  for (const MemoryType type : {MemoryType::kCpu, MemoryType::kGpu}) {
    ConstBuffer buffer{fake_.data.data(), {}};
    buffer.attributes.byte_size = 8;
    buffer.attributes.memory_type = type;
    ASSERT_TRUE(input->Append(buffer).ok());
  }
  fake_.request.set_trace(&trace_);
  fake_.Submit(1).reset();
  EXPECT_EQ(listener_->told, "start queue end");
}

}  // namespace
}  // namespace trident
