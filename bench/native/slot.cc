#include "slot.h"

#include "arguments.h"
#include "raw_session.h"
#include "trident/extension.h"

namespace trident::bench {

ModelInputs::ModelInputs(const Json& metadata) {
  for (const Json& row : metadata.at("inputs")) {
    Input input;
    const std::string datatype = row.at("datatype");
    input.name = row.at("name");
    input.datatype = TRITONSERVER_StringToDataType(datatype.c_str());
    input.byte_size = TRITONSERVER_DataTypeByteSize(input.datatype);
    if (input.byte_size == 0) Die("input '" + input.name + "' is of type " + datatype);
    for (const int64_t size : row.at("shape")) {
      input.shape.push_back(size < 0 ? 1 : size);
      input.byte_size *= static_cast<size_t>(input.shape.back());
    }
    input.data.resize((input.byte_size + sizeof(float) - 1) / sizeof(float));
    if (input.datatype == TRITONSERVER_TYPE_FP32) {
      FillWithNumbers(input.data.data(), input.data.size());
    }
    inputs_.push_back(std::move(input));
  }
}

void ModelInputs::AddTo(TRITONSERVER_InferenceRequest* request) const {
  for (const Input& input : inputs_) {
    const char* const name = input.name.c_str();
    Must(TRITONSERVER_InferenceRequestAddInput(request, name, input.datatype, input.shape.data(),
                                               input.shape.size()));
    Must(TRITONSERVER_InferenceRequestAppendInputData(request, name, input.data.data(),
                                                      input.byte_size, TRITONSERVER_MEMORY_CPU, 0));
  }
}

Slot::Slot(const Server& server, const std::string& model, const ModelInputs& inputs,
           TRITONSERVER_ResponseAllocator* allocator, SlotOwner* owner)
    : server_(server.handle()), owner_(owner) {
  Must(TRITONSERVER_InferenceRequestNew(&request_, server_, model.c_str(), -1));
  inputs.AddTo(request_);
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request_, OnRelease, this));
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(request_, allocator, this, OnResponse,
                                                        this));
}

Slot::~Slot() { Must(TRITONSERVER_InferenceRequestDelete(request_)); }

void Slot::Prepare() { holders_.store(2, std::memory_order_relaxed); }

void Slot::Submit() {
  Prepare();
  Must(TRITONSERVER_ServerInferAsync(server_, request_, nullptr));
}

void Slot::SubmitTogether(const std::vector<std::unique_ptr<Slot>>& slots) {
  thread_local std::vector<TRITONSERVER_InferenceRequest*> requests;
  thread_local std::vector<TRITONSERVER_Error*> errors;
  requests.clear();
  errors.resize(slots.size());
  for (const auto& slot : slots) {
    slot->Prepare();
    requests.push_back(slot->request_);
  }
  TRITONSERVER_TridentServerInferAsyncMany(slots.front()->server_, requests.data(),
                                           static_cast<uint32_t>(requests.size()), 0,
                                           errors.data());
  for (TRITONSERVER_Error* error : errors) Must(error);
}

void Slot::OnRelease(TRITONSERVER_InferenceRequest*, uint32_t, void* slot) {
  static_cast<Slot*>(slot)->LetGo();
}

void Slot::OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* slot) {
  Must(TRITONSERVER_InferenceResponseError(response));
  Must(TRITONSERVER_InferenceResponseDelete(response));
  if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) == 0) Die("a model of many responses");
  static_cast<Slot*>(slot)->LetGo();
}

char* Slot::Buffer(const char* name, size_t byte_size) {
  for (Output& output : outputs_) {
    if (output.name != name) continue;
    if (output.buffer.size() < byte_size) output.buffer.resize(byte_size);
    return output.buffer.data();
  }
  outputs_.push_back({name, std::vector<char>(byte_size)});
  return outputs_.back().buffer.data();
}

void Slot::LetGo() {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) owner_->Over(this);
}

OutputBuffers::OutputBuffers() {
  const auto release = [](TRITONSERVER_ResponseAllocator*, void*, void*, size_t,
                          TRITONSERVER_MemoryType, int64_t) -> TRITONSERVER_Error* {
    return nullptr;  // the buffer stays with its slot
  };
  Must(TRITONSERVER_ResponseAllocatorNew(&allocator_, Allocate, release, nullptr));
}

OutputBuffers::~OutputBuffers() { Must(TRITONSERVER_ResponseAllocatorDelete(allocator_)); }

TRITONSERVER_Error* OutputBuffers::Allocate(TRITONSERVER_ResponseAllocator*, const char* name,
                                            size_t byte_size, TRITONSERVER_MemoryType, int64_t,
                                            void* slot, void** buffer, void** buffer_userp,
                                            TRITONSERVER_MemoryType* type, int64_t* id) {
  *buffer = static_cast<Slot*>(slot)->Buffer(name, byte_size);
  *buffer_userp = nullptr;
  *type = TRITONSERVER_MEMORY_CPU;
  *id = 0;
  return nullptr;
}

}  // namespace trident::bench
