#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/timer.h"
#include "inference/request.h"

namespace trident {

// A clock that stands still until told. WaitUntil must not be reached: tests use TryTake.
class VirtualClock : public Clock {
 public:
  uint64_t Now() override { return now_ns; }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t) override { condition.Wait(mutex); }

  uint64_t now_ns = 1;
};

// A timer that rings only when told.
class ManualTimer : public Timer {
 public:
  void RingBy(Alarm* alarm, uint64_t when_ns) override {
    const auto [at, added] = alarms.emplace(alarm, when_ns);
    if (!added) at->second = std::min(at->second, when_ns);
  }
  void Forget(Alarm* alarm) override { alarms.erase(alarm); }

  uint64_t next() const {
    uint64_t next = kNever;
    for (const auto& [alarm, when] : alarms) next = std::min(next, when);
    return next;
  }
  // Rings what is due at `now_ns`, earliest first.
  void Advance(uint64_t now_ns) {
    while (next() <= now_ns) {
      const uint64_t when = next();
      const auto due = std::find_if(alarms.begin(), alarms.end(),
                                    [&](const auto& alarm) { return alarm.second == when; });
      Alarm* const alarm = due->first;
      alarms.erase(due);
      alarm->Ring();
    }
  }

  std::map<Alarm*, uint64_t> alarms;
};

// A model that only counts; one FP32 input "in" and one output "out".
class FakeTarget : public InferenceTarget {
 public:
  explicit FakeTarget(Shape dims = {1}, uint32_t max_batch_size = 8) {
    signature_.name = "fake";
    signature_.version = 1;
    signature_.max_batch_size = max_batch_size;
    signature_.inputs = {{"in", DataType::kFp32, dims, false, HasWildcard(dims)}};
    signature_.outputs = {{"out", DataType::kFp32, dims, false, HasWildcard(dims)}};
    signature_.compare_inputs = HasWildcard(dims);
  }

  const ModelSignature& signature() const override { return signature_; }
  ModelSignature& mutable_signature() { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override { in_flight.fetch_add(1); }
  void RequestEnded() override { in_flight.fetch_sub(1); }
  void Submit(std::span<InferenceRequest*>, std::span<Status>) override { std::abort(); }
  bool Reserve() override { return true; }
  void Unreserve() override {}
  void CancelQueued(InferenceRequest*) override {}

  std::atomic<int> in_flight{0};

 private:
  ModelSignature signature_;
  ModelStatistics statistics_;
};

// Keeps what it is given; memory from the heap.
class RecordingSink : public ResponseSink {
 public:
  Status Allocate(const char*, uint64_t byte_size, OutputBuffer* buffer) override {
    if (refuse_memory) return Unavailable("no memory for the test");
    buffer->data = new char[byte_size];
    ++live_buffers;
    return Status::Ok();
  }
  void Free(const OutputBuffer& buffer) override {
    delete[] static_cast<char*>(buffer.data);
    --live_buffers;
  }
  Status Query(const char*, uint64_t*, BufferAttributes*) override {
    return Unavailable("not known");
  }
  void Deliver(ResponsePtr response, uint32_t flags) override {
    responses.push_back(std::move(response));
    if ((flags & kResponseFinal) != 0) ++finals;
  }

  bool refuse_memory = false;
  int live_buffers = 0;
  int finals = 0;
  std::vector<ResponsePtr> responses;
};

// A request with its bytes, its sink and a count of its releases. The test owns it.
class FakeRequest {
 public:
  FakeRequest(std::shared_ptr<FakeTarget> target, Shape shape, std::string id = "")
      : sink(std::make_shared<RecordingSink>()), request(target, -1) {
    request.id = std::move(id);
    uint64_t elements = 1;
    for (const int64_t dim : shape) elements *= static_cast<uint64_t>(dim);
    data.resize(elements);
    InputTensor* input = *request.AddInput("in", DataType::kFp32, shape);
    ConstBuffer buffer{data.data(), {}};
    buffer.attributes.byte_size = elements * sizeof(float);
    (void)input->Append(buffer);
    request.sink = sink;
    request.on_release = [this](InferenceRequest*, uint32_t) { ++releases; };
  }

  // The sink keeps responses, which hold the sink.
  ~FakeRequest() { sink->responses.clear(); }

  // Prepared and submitted, ready for a scheduler.
  RequestPtr Submit(uint64_t now_ns) {
    EXPECT_TRUE(request.Prepare().ok());
    request.Submit(now_ns);
    return RequestPtr(&request);
  }

  std::vector<float> data;
  std::shared_ptr<RecordingSink> sink;
  int releases = 0;
  InferenceRequest request;
};

// Answers a request as a backend would; the second form also releases it.
inline void Answer(const InferenceRequest& request) {
  ResponsePtr response = InferenceResponse::New(request.channel());
  EXPECT_TRUE(InferenceResponse::Send(std::move(response), kResponseFinal).ok());
}
inline void Answer(RequestPtr request) { Answer(*request); }

}  // namespace trident
