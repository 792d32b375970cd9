#include "model/direct_execution.h"

#include <new>

#include "base/clock.h"
#include "base/mutex.h"
#include "model/model_instance.h"

namespace trident {

// Waits for the requests of one execution and keeps the first failure. Thread-safe.
class DirectSink : public ResponseSink {
 public:
  explicit DirectSink(DirectExecution::OnResponse on_response)
      : on_response_(std::move(on_response)) {}

  Status Allocate(const char*, uint64_t byte_size, OutputBuffer* buffer) override {
    buffer->attributes = {MemoryType::kCpu, 0, byte_size};
    buffer->data = new char[byte_size];
    return Status::Ok();
  }
  void Free(const OutputBuffer& buffer) override { delete[] static_cast<char*>(buffer.data); }
  Status Query(const char*, uint64_t*, BufferAttributes* attributes) override {
    attributes->memory_type = MemoryType::kCpu;
    attributes->memory_type_id = 0;
    return Status::Ok();
  }
  void Deliver(ResponsePtr response, uint32_t flags) override {
    Status status = response == nullptr ? Status::Ok() : response->status();
    if (response != nullptr && status.ok() && on_response_) {
      MutexLock lock(mutex_);
      try {
        on_response_(*response);
      } catch (const std::bad_alloc&) {
        status = Unavailable("not enough memory to keep a response");
      }
    }
    response = nullptr;  // outside of the lock: it frees its outputs
    MutexLock lock(mutex_);
    if (first_failure_.ok()) first_failure_ = status;
    if ((flags & kResponseFinal) != 0) CloseOne();
  }
  void Released() {
    MutexLock lock(mutex_);
    CloseOne();
  }

  void Expect(size_t requests) {
    MutexLock lock(mutex_);
    open_ = 2 * requests;
  }
  Status Wait() {
    MutexLock lock(mutex_);
    while (open_ != 0) closed_.Wait(mutex_);
    return first_failure_;
  }

 private:
  void CloseOne() REQUIRES(mutex_) {
    if (--open_ == 0) closed_.NotifyAll();
  }

  const DirectExecution::OnResponse on_response_;
  Mutex mutex_;
  CondVar closed_;
  size_t open_ GUARDED_BY(mutex_) = 0;  // final responses and releases that are still to come
  Status first_failure_ GUARDED_BY(mutex_);
};

namespace {

// The backend has let go; responses may be still to come.
void EndRequest(InferenceRequest* request, uint32_t /*flags*/) {
  const auto sink = std::static_pointer_cast<DirectSink>(request->sink);
  delete request;
  sink->Released();
}

void GiveBytes(const std::shared_ptr<const std::string>& bytes, InputTensor* tensor) {
  if (!bytes->empty()) tensor->Own(bytes, {bytes->data(), {MemoryType::kCpu, 0, bytes->size()}});
}

}  // namespace

DirectExecution::DirectExecution(std::shared_ptr<InferenceTarget> model,
                                 std::shared_ptr<const StateSpecs> states, OnResponse on_response)
    : model_(std::move(model)),
      states_(std::move(states)),
      sink_(std::make_shared<DirectSink>(std::move(on_response))) {}

DirectExecution::~DirectExecution() = default;

Result<InferenceRequest*> DirectExecution::Add(std::span<const Input> inputs) {
  auto request = std::make_unique<InferenceRequest>(model_, model_->signature().version);
  request->sink = sink_;
  request->on_release = &EndRequest;
  for (const Input& input : inputs) {
    if (!input.of_model) continue;
    TRIDENT_ASSIGN_OR_RETURN(InputTensor* const tensor,
                             request->AddInput(input.name, input.datatype, input.shape));
    GiveBytes(input.bytes, tensor);
  }
  // For what the backend writes; what it reads has to be among the inputs.
  if (states_ != nullptr) request->states = SequenceStates::Begin(states_);
  entries_.push_back({std::move(request), inputs});
  return entries_.back().request.get();
}

Status DirectExecution::Run(ModelInstance* instance) {
  sink_->Expect(entries_.size());
  Batch batch;
  for (Entry& entry : entries_) {
    entry.request->Submit(NowNs());
    batch.emplace_back(entry.request.release());
    for (const Input& input : entry.inputs) {
      if (input.of_model) continue;
      auto tensor = std::make_shared<InputTensor>(input.name, input.datatype, input.shape);
      GiveBytes(input.bytes, tensor.get());
      batch.back()->AddOverrideInput(std::move(tensor));
    }
  }
  instance->ExecuteAndWait(&batch);
  return sink_->Wait();
}

}  // namespace trident
