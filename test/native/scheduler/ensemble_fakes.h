#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "inference/request.h"
#include "support/fake_model.h"

// What it takes to test ensembles without models: every tensor is INT32.
namespace trident::ensemble_test {

using Numbers = std::vector<int32_t>;

inline TensorSpec Spec(const std::string& name, Shape dims = {-1}, bool optional = false) {
  TensorSpec spec;
  spec.name = name;
  spec.datatype = DataType::kInt32;
  spec.variable = HasWildcard(dims);
  spec.dims = std::move(dims);
  spec.optional = optional;
  return spec;
}

inline Numbers NumbersOf(const InputTensor& input) {
  Numbers numbers;
  for (const ConstBuffer& buffer : input.buffers()) {
    const auto* begin = static_cast<const int32_t*>(buffer.data);
    numbers.insert(numbers.end(), begin, begin + buffer.attributes.byte_size / sizeof(int32_t));
  }
  return numbers;
}

inline Numbers In(InferenceRequest& request, const std::string& name) {
  const auto input = request.FindInput(name);
  return input.ok() ? NumbersOf(**input) : Numbers{};
}

// One response of a fake model; the shape is [n], or [1, n] for a model that batches.
class Reply {
 public:
  explicit Reply(const InferenceRequest& request)
      : batching_(request.target()->signature().batching()),
        response_(InferenceResponse::New(request.channel())) {}

  Reply& Output(const std::string& name, const Numbers& numbers) {
    Shape shape = {static_cast<int64_t>(numbers.size())};
    if (batching_) shape.insert(shape.begin(), 1);
    return Output(name, numbers, shape);
  }
  Reply& Output(const std::string& name, const Numbers& numbers, const Shape& shape) {
    OutputTensor* const output = response_->AddOutput(name, DataType::kInt32, shape);
    status_ = output->Allocate(numbers.size() * sizeof(int32_t), {});
    if (!status_.ok()) return *this;
    std::copy(numbers.begin(), numbers.end(), static_cast<int32_t*>(output->buffer().data));
    address_ = output->buffer().data;
    return *this;
  }
  Reply& Set(Parameter parameter) {
    response_->parameters().push_back(std::move(parameter));
    return *this;
  }
  Reply& Error(const Status& status) {
    response_->set_status(status);
    return *this;
  }
  void Send(bool final = true) {
    if (!status_.ok()) response_->set_status(status_);
    EXPECT_TRUE(InferenceResponse::Send(std::move(response_), final ? kResponseFinal : 0).ok());
  }
  const void* address() const { return address_; }

 private:
  const bool batching_;
  ResponsePtr response_;
  Status status_;
  const void* address_ = nullptr;
};

// A model that keeps what it is submitted until the test answers, or answers at once. Thread-safe,
// except for what the test sets before it begins.
class FakeStep : public InferenceTarget {
 public:
  FakeStep(const std::string& name, std::vector<TensorSpec> inputs,
           std::vector<TensorSpec> outputs) {
    signature_.name = name;
    signature_.version = 1;
    signature_.inputs = std::move(inputs);
    signature_.outputs = std::move(outputs);
  }

  ModelSignature& mutable_signature() { return signature_; }
  const ModelSignature& signature() const override { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override { in_flight.fetch_add(1); }
  void RequestEnded() override { in_flight.fetch_sub(1); }
  bool Reserve() override {
    if (closed) return false;
    reservations.fetch_add(1);
    return true;
  }
  void Unreserve() override { reservations.fetch_sub(1); }

  void Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) override {
    std::vector<RequestPtr> accepted;
    for (size_t i = 0; i < requests.size(); ++i) {
      outcomes[i] = refuse;
      if (!refuse.ok() && has_no_threads) {
        requests[i]->Unclaim();
        continue;
      }
      requests[i]->Submit(1);
      if (!refuse.ok()) {
        requests[i]->Withdraw();
        continue;
      }
      accepted.emplace_back(requests[i]);
    }
    MutexLock lock(mutex_);
    group_sizes.push_back(accepted.size());
    for (RequestPtr& request : accepted) {
      if (on_submit) {
        mutex_.Unlock();
        on_submit(std::move(request));
        mutex_.Lock();
      } else {
        waiting_.push_back(std::move(request));
        most_waiting = std::max(most_waiting, waiting_.size());
      }
    }
  }

  void CancelQueued(InferenceRequest* request) override {
    RequestPtr found;
    {
      MutexLock lock(mutex_);
      ++cancels;
      for (auto it = waiting_.begin(); it != waiting_.end() && ends_cancelled; ++it) {
        if (it->get() != request) continue;
        found = std::move(*it);
        waiting_.erase(it);
        break;
      }
    }
    if (found != nullptr) {
      RespondError(std::move(found), trident::Error(StatusCode::kCancelled, "cancelled in queue"));
    }
  }

  size_t waiting() const {
    MutexLock lock(mutex_);
    return waiting_.size();
  }
  // The request that has waited longest; null without.
  RequestPtr Next(size_t index = 0) {
    MutexLock lock(mutex_);
    if (index >= waiting_.size()) return nullptr;
    RequestPtr request = std::move(waiting_[index]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(index));
    return request;
  }

  // Set by the test.
  std::function<void(RequestPtr)> on_submit;
  Status refuse;
  bool has_no_threads = false;  // refuses before anything is submitted
  bool closed = false;
  bool ends_cancelled = true;  // what waits ends when it is cancelled

  std::atomic<int> in_flight{0}, reservations{0};
  std::atomic<int> cancels{0};
  std::vector<size_t> group_sizes;
  size_t most_waiting = 0;

 private:
  ModelSignature signature_;
  ModelStatistics statistics_;
  mutable Mutex mutex_;
  std::deque<RequestPtr> waiting_;
};

// What a client has got. Responses are freed as they come.
struct Received {
  Status status;
  bool empty = false;  // only a flag
  bool final = false;
  std::map<std::string, Numbers> outputs;
  std::map<std::string, Shape> shapes;
  std::vector<Parameter> parameters;
};

class ClientSink : public ResponseSink {
 public:
  Status StartResponse() override {
    ++started;
    return Status::Ok();
  }
  Status Allocate(const char* name, uint64_t byte_size, OutputBuffer* buffer) override {
    MutexLock lock(mutex);
    if (refuse_memory) return Unavailable("no memory for the test");
    EXPECT_EQ(finals, 0) << "memory asked for after the end";
    buffer->data = new char[byte_size + 1];
    allocated[name] = buffer->data;
    ++live_buffers;
    return Status::Ok();
  }
  void Free(const OutputBuffer& buffer) override {
    MutexLock lock(mutex);
    delete[] static_cast<char*>(buffer.data);
    --live_buffers;
  }
  Status Query(const char*, uint64_t*, BufferAttributes*) override {
    return Unavailable("not known");
  }
  void Deliver(ResponsePtr response, uint32_t flags) override {
    Received got;
    got.final = (flags & kResponseFinal) != 0;
    got.empty = response == nullptr;
    if (response != nullptr) {
      got.status = response->status();
      for (const auto& output : response->outputs()) {
        const auto* begin = static_cast<const int32_t*>(output->buffer().data);
        const size_t count = output->buffer().attributes.byte_size / sizeof(int32_t);
        got.outputs[output->name()] = Numbers(begin, begin + count);
        got.shapes[output->name()] = output->shape();
      }
      got.parameters = response->parameters();
      response = nullptr;
    }
    {
      MutexLock lock(mutex);
      EXPECT_EQ(finals, 0) << "a response after the final one";
      if (got.final) {
        ++finals;
        EXPECT_EQ(live_buffers, 0);
      }
      received.push_back(std::move(got));
    }
    if (on_deliver) on_deliver();
  }

  std::function<void()> on_deliver;
  bool refuse_memory = false;
  std::atomic<int> started{0};
  Mutex mutex;
  int live_buffers = 0;
  int finals = 0;
  std::map<std::string, const void*> allocated;
  std::vector<Received> received;
};

}  // namespace trident::ensemble_test
