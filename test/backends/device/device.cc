// The "device" backend: copies input "input" to output "output" by the CUDA driver, wherever they
// lie. An instance on a device wishes outputs and states on it.
//
//   sequence_batching { state { input_name: "last_in" output_name: "last_out" } }: with it the
//   output is the input of the sequence's request before.
//
// Request parameters:
//   fail  (string)  the request ends with INTERNAL and this text, and no device is asked
//   throw (string)  the execution fails as a whole with this text
//
// Every response has the parameters "input_at", "output_at" and, with a state, "state_at" (int):
// the device that the bytes lie on, -1 for the host.

#include <cstring>
#include <memory>

#include "backends/common/attached.h"
#include "backends/common/clock.h"
#include "backends/common/version.h"
#include "common/request_view.h"
#include "cuda/stream.h"

namespace trident::test {
namespace {

// A tensor where it lies.
struct Bytes {
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = nullptr;
  uint32_t rank = 0;
  const void* data = nullptr;
  uint64_t byte_size = 0;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;

  cuda::Place place() const {
    return type == TRITONSERVER_MEMORY_GPU ? cuda::Place{static_cast<int>(id)} : cuda::Place{};
  }
};

Status Find(TRITONBACKEND_Request* request, const char* name, Bytes* bytes) {
  TRITONBACKEND_Input* input = nullptr;
  const char* same_name = nullptr;
  uint32_t blocks = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInput(request, name, &input));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputProperties(input, &same_name, &bytes->datatype,
                                                        &bytes->shape, &bytes->rank,
                                                        &bytes->byte_size, &blocks));
  if (blocks != 1) return backend::Internal("device: '", name, "' has ", blocks, " blocks");
  return TRITONBACKEND_InputBuffer(input, 0, &bytes->data, &bytes->byte_size, &bytes->type,
                                   &bytes->id);
}

Status Convert(const trident::Status& status) {
  if (status.ok()) return Status();
  return backend::Internal("device: ", status.message());
}

class Instance {
 public:
  static Status Create(TRITONBACKEND_ModelInstance* handle, std::unique_ptr<Instance>* instance) {
    std::unique_ptr<Instance> created(new Instance(handle));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceKind(handle, &created->kind_));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceDeviceId(handle, &created->device_id_));
    *instance = std::move(created);
    return Status();
  }

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      std::string why;
      BACKEND_RETURN_IF_ERROR(ReadParameter(requests[i], "throw", &why));
      if (!why.empty()) return backend::Internal(why);
    }
    for (uint32_t i = 0; i < count; ++i) Answer(requests[i]);
    return Status();
  }

 private:
  explicit Instance(TRITONBACKEND_ModelInstance* handle) : handle_(handle) {}

  void Answer(TRITONBACKEND_Request* request) {
    TRITONBACKEND_Response* response = nullptr;
    Must(TRITONBACKEND_ResponseNew(&response, request));
    const uint64_t now = backend::NowNs();
    const Status status = Fill(request, response);
    Must(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, status.ok(), now, now, now,
                                                     now));
    Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, status.get()));
    Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }

  Status Fill(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response) {
    std::string fail;
    BACKEND_RETURN_IF_ERROR(ReadParameter(request, "fail", &fail));
    if (!fail.empty()) return backend::Internal(fail);
    Bytes input;
    BACKEND_RETURN_IF_ERROR(Find(request, "input", &input));
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_ResponseSetIntParameter(response, "input_at", input.place().device_id));
    if (!HasInput(request, "last_in")) return WriteOutput(response, input);
    Bytes last;
    BACKEND_RETURN_IF_ERROR(Find(request, "last_in", &last));
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_ResponseSetIntParameter(response, "state_at", last.place().device_id));
    BACKEND_RETURN_IF_ERROR(WriteOutput(response, last));
    return WriteState(request, input);
  }

  Status WriteOutput(TRITONBACKEND_Response* response, const Bytes& from) {
    TRITONBACKEND_Output* output = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(response, &output, "output", from.datatype,
                                                         from.shape, from.rank));
    Bytes to = Wish();
    void* data = nullptr;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_OutputBuffer(output, &data, from.byte_size, &to.type, &to.id));
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_ResponseSetIntParameter(response, "output_at", to.place().device_id));
    return Copy(from, data, to.place());
  }

  Status WriteState(TRITONBACKEND_Request* request, const Bytes& from) {
    TRITONBACKEND_State* state = nullptr;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_StateNew(&state, request, "last_out", from.datatype, from.shape, from.rank));
    Bytes to = Wish();
    void* data = nullptr;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_StateBuffer(state, &data, from.byte_size, &to.type, &to.id));
    BACKEND_RETURN_IF_ERROR(Copy(from, data, to.place()));
    return TRITONBACKEND_StateUpdate(state);
  }

  Bytes Wish() const {
    Bytes wish;
    if (kind_ != TRITONSERVER_INSTANCEGROUPKIND_GPU) return wish;
    wish.type = TRITONSERVER_MEMORY_GPU;
    wish.id = device_id_;
    return wish;
  }

  static Status Copy(const Bytes& from, void* to, cuda::Place place) {
    if (!place.on_device() && !from.place().on_device()) {
      memcpy(to, from.data, from.byte_size);
      return Status();
    }
    const auto device =
        cuda::Device::Find(place.on_device() ? place.device_id : from.place().device_id);
    if (!device.ok()) return Convert(device.status());
    const auto stream = cuda::Stream::Create(*device);
    if (!stream.ok()) return Convert(stream.status());
    const trident::Status copied =
        (*stream)->Copy(to, place, from.data, from.place(), from.byte_size);
    return Convert(copied.ok() ? (*stream)->Synchronize() : copied);
  }

  TRITONBACKEND_ModelInstance* const handle_;
  TRITONSERVER_InstanceGroupKind kind_ = TRITONSERVER_INSTANCEGROUPKIND_CPU;
  int32_t device_id_ = 0;
};

}  // namespace
}  // namespace trident::test

using trident::backend::Guard;
using trident::backend::Status;
using trident::test::Instance;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("device"); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    std::unique_ptr<Instance> instance;
    BACKEND_RETURN_IF_ERROR(Instance::Create(handle, &instance));
    return trident::backend::Attach(handle, std::move(instance));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
