#include "deferring.h"

#include <cstring>

namespace trident::contract {
namespace {

void AnswerOne(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Input* input = nullptr;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = nullptr;
  uint32_t rank = 0;
  uint32_t buffers = 0;
  uint64_t byte_size = 0;
  Must(TRITONBACKEND_RequestInput(request, "input", &input));
  Must(TRITONBACKEND_InputProperties(input, nullptr, &datatype, &shape, &rank, &byte_size,
                                     &buffers));
  TRITONBACKEND_Response* response = nullptr;
  TRITONBACKEND_Output* output = nullptr;
  void* to = nullptr;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t memory_id = 0;
  Must(TRITONBACKEND_ResponseNew(&response, request));
  Must(TRITONBACKEND_ResponseOutput(response, &output, "output", datatype, shape, rank));
  Must(TRITONBACKEND_OutputBuffer(output, &to, byte_size, &memory, &memory_id));
  for (uint32_t i = 0; i < buffers; ++i) {
    const void* from = nullptr;
    uint64_t size = 0;
    Must(TRITONBACKEND_InputBuffer(input, i, &from, &size, &memory, &memory_id));
    memcpy(to, from, size);
    to = static_cast<char*>(to) + size;
  }
  Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, nullptr));
  Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

}  // namespace

void Execution::Answer() const {
  for (TRITONBACKEND_Request* request : requests) AnswerOne(request);
}

Outcome Execution::Defer() const {
  return Outcome::Of(TRITONBACKEND_TridentModelInstanceDeferExecution(instance));
}

Outcome Execution::End() const {
  return Outcome::Of(TRITONBACKEND_TridentModelInstanceEndExecution(instance));
}

void Execution::AnswerAndEnd() const {
  Answer();
  EXPECT_TRUE(Succeeded(End()));
}

void DeferringBackend::AddTo(TRITONSERVER_ServerOptions* options) {
  TRITONSERVER_TridentBackend table = {};
  table.name = name_.c_str();
  table.initialize = [](TRITONBACKEND_Backend* backend) -> TRITONSERVER_Error* {
    ++Of(backend).initialized;
    return nullptr;
  };
  table.finalize = [](TRITONBACKEND_Backend* backend) -> TRITONSERVER_Error* {
    ++Of(backend).ended;
    return nullptr;
  };
  table.get_backend_attribute = [](TRITONBACKEND_Backend*,
                                   TRITONBACKEND_BackendAttribute* attribute) {
    return TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
        attribute, TRITONSERVER_INSTANCEGROUPKIND_CPU, 3, nullptr, 0);
  };
  table.model_instance_finalize = [](TRITONBACKEND_ModelInstance* instance) -> TRITONSERVER_Error* {
    Of(instance).CountFinalized();
    return nullptr;
  };
  table.model_instance_execute = &OnCall;
  table.never_blocks = never_blocks_;
  table.state = this;
  Must(TRITONSERVER_TridentServerOptionsAddBackend(options, &table));
}

DeferringBackend& DeferringBackend::Of(TRITONBACKEND_Backend* backend) {
  void* state = nullptr;
  Must(TRITONBACKEND_BackendState(backend, &state));
  return *static_cast<DeferringBackend*>(state);
}

DeferringBackend& DeferringBackend::Of(TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = nullptr;
  TRITONBACKEND_Backend* backend = nullptr;
  Must(TRITONBACKEND_ModelInstanceModel(instance, &model));
  Must(TRITONBACKEND_ModelBackend(model, &backend));
  return Of(backend);
}

TRITONSERVER_Error* DeferringBackend::OnCall(TRITONBACKEND_ModelInstance* instance,
                                             TRITONBACKEND_Request** requests, uint32_t count) {
  DeferringBackend& self = Of(instance);
  const Execution execution = {instance, {requests, requests + count}, std::this_thread::get_id()};
  return self.instead_ ? self.instead_(execution) : self.HandOver(execution);
}

TRITONSERVER_Error* DeferringBackend::HandOver(const Execution& execution) {
  if (TRITONSERVER_Error* error =
          TRITONBACKEND_TridentModelInstanceDeferExecution(execution.instance)) {
    return error;
  }
  const std::lock_guard lock(mutex_);
  handed_over_.push_back(execution);
  changed_.notify_all();
  return nullptr;
}

Execution DeferringBackend::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !handed_over_.empty(); });
  Execution execution = std::move(handed_over_.front());
  handed_over_.pop_front();
  return execution;
}

bool DeferringBackend::empty() const {
  const std::lock_guard lock(mutex_);
  return handed_over_.empty();
}

void DeferringBackend::CountFinalized() {
  const std::lock_guard lock(mutex_);
  ++finalized_;
  changed_.notify_all();
}

void DeferringBackend::AwaitFinalized(int instances) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finalized_ >= instances; });
}

int DeferringBackend::finalized() const {
  const std::lock_guard lock(mutex_);
  return finalized_;
}

ServerSettings With(DeferringBackend& backend,
                    std::function<void(TRITONSERVER_ServerOptions*)> more) {
  ServerSettings settings;
  settings.more = [&backend, more](TRITONSERVER_ServerOptions* options) {
    backend.AddTo(options);
    if (more) more(options);
  };
  return settings;
}

}  // namespace trident::contract
