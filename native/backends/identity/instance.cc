#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>

#include "backends/common/clock.h"
#include "backends/identity/identity.h"

namespace trident::identity {
namespace {

Status ReadDelay(TRITONSERVER_ParameterType type, const void* value, int64_t* delay_ms) {
  int64_t delay = -1;
  if (type == TRITONSERVER_PARAMETER_INT) {
    delay = *static_cast<const int64_t*>(value);
  } else if (type == TRITONSERVER_PARAMETER_STRING) {
    const char* text = static_cast<const char*>(value);
    const char* end = text + strlen(text);
    if (std::from_chars(text, end, delay).ptr != end) delay = -1;
  }
  if (delay < 0 || delay > kMaxDelayMs) {
    return backend::InvalidArg("request parameter 'execute_delay_ms' must be an integer from 0 to ",
                               kMaxDelayMs);
  }
  *delay_ms = delay;
  return Status();
}

}  // namespace

Status Instance::Create(const Model& model, TRITONBACKEND_ModelInstance* handle,
                        std::unique_ptr<Instance>* instance) {
  std::unique_ptr<backend::BatchCopies> copies;
  BACKEND_RETURN_IF_ERROR(backend::BatchCopies::Create(handle, model.config(), &copies));
  instance->reset(new Instance(model, handle, std::move(copies)));
  return Status();
}

Status Instance::Execute(TRITONBACKEND_Request** requests, uint32_t count) {
  if (model_.fail() == "execute") {
    return backend::Internal("model '", model_.name(), "': parameter 'fail' is 'execute'");
  }
  backend::ExecutionTimes times;
  times.exec_start_ns = backend::NowNs();
  BACKEND_RETURN_IF_ERROR(batch_.Begin(requests, count));

  try {
    Run(&times);
  } catch (const std::exception& error) {
    batch_.FailAll(backend::Internal("model '", model_.name(), "': ", error.what()));
  }
  if (const Status copied = copies_->Synchronize(); !copied.ok()) batch_.FailAll(copied);
  copies_->TakeCount().Report(handle_);
  batch_.Finish(handle_, times, BatchItems());
  return Status();
}

void Instance::Run(backend::ExecutionTimes* times) {
  int64_t delay_ms = 0;
  for (size_t i = 0; i < batch_.size(); ++i) {
    int64_t wish_ms = model_.execute_delay_ms();
    batch_.Fail(i, ReadWishes(batch_.request(i), &wish_ms));
    if (!batch_.failed(i)) delay_ms = std::max(delay_ms, wish_ms);
  }
  times->compute_start_ns = backend::NowNs();
  if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  times->compute_end_ns = backend::NowNs();
  for (size_t i = 0; i < batch_.size(); ++i) {
    if (!batch_.failed(i)) batch_.Fail(i, CopyOutputs(batch_.request(i), batch_.response(i)));
  }
}

Status Instance::ReadWishes(TRITONBACKEND_Request* request, int64_t* delay_ms) const {
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameterCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* key = nullptr;
    TRITONSERVER_ParameterType type;
    const void* value = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestParameter(request, i, &key, &type, &value));
    if (strcmp(key, "execute_delay_ms") == 0) {
      BACKEND_RETURN_IF_ERROR(ReadDelay(type, value, delay_ms));
    } else if (strcmp(key, "fail") == 0 && type == TRITONSERVER_PARAMETER_STRING) {
      return backend::Internal(static_cast<const char*>(value));
    }
  }
  return Status();
}

Status Instance::CopyOutputs(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response) {
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputCount(request, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputName(request, i, &name));
    const Model::Copy* copy = model_.FindCopy(name);
    if (copy == nullptr) {
      return backend::InvalidArg("model '", model_.name(), "' has no output '", name, "'");
    }
    TRITONBACKEND_Input* input = nullptr;
    const Status found(TRITONBACKEND_RequestInput(request, copy->input.c_str(), &input));
    if (found.ok()) BACKEND_RETURN_IF_ERROR(CopyTensor(input, name, response));
  }
  return Status();
}

Status Instance::CopyTensor(TRITONBACKEND_Input* input, const char* output_name,
                            TRITONBACKEND_Response* response) {
  TRITONSERVER_DataType datatype;
  const int64_t* shape = nullptr;
  uint32_t dims_count = 0;
  uint64_t byte_size = 0;
  uint32_t buffer_count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputProperties(input, nullptr, &datatype, &shape,
                                                        &dims_count, &byte_size, &buffer_count));
  TRITONBACKEND_Output* output = nullptr;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_ResponseOutput(response, &output, output_name, datatype, shape, dims_count));
  void* to = nullptr;
  backend::MemoryPlace to_place = copies_->place();
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_OutputBuffer(output, &to, byte_size, &to_place.type, &to_place.type_id));

  uint64_t written = 0;
  for (uint32_t i = 0; i < buffer_count; ++i) {
    const void* from = nullptr;
    uint64_t from_bytes = 0;
    backend::MemoryPlace from_place;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_InputBuffer(input, i, &from, &from_bytes,
                                                      &from_place.type, &from_place.type_id));
    if (from_bytes > byte_size - written) {
      return backend::Internal("model '", model_.name(), "': the buffers of the input of output '",
                               output_name, "' hold more than its ", byte_size, " bytes");
    }
    BACKEND_RETURN_IF_ERROR(
        CopyBlock(static_cast<char*>(to) + written, to_place, from, from_place, from_bytes));
    written += from_bytes;
  }
  return Status();
}

// From host to host it is what this backend computes, and counted nowhere; the others are
// transfers.
Status Instance::CopyBlock(char* to, backend::MemoryPlace to_place, const void* from,
                           backend::MemoryPlace from_place, uint64_t byte_size) {
  if (to_place.on_device() || from_place.on_device()) {
    return copies_->Copy(to, to_place, from, from_place, byte_size);
  }
  if (byte_size > 0) memcpy(to, from, byte_size);
  return Status();
}

uint64_t Instance::BatchItems() const {
  if (!model_.batched()) return batch_.size() - batch_.failed_count();
  uint64_t items = 0;
  for (size_t i = 0; i < batch_.size(); ++i) {
    if (batch_.failed(i)) continue;
    TRITONBACKEND_Input* input = nullptr;
    const int64_t* shape = nullptr;
    uint32_t dims_count = 0;
    Status read(TRITONBACKEND_RequestInputByIndex(batch_.request(i), 0, &input));
    if (read.ok()) {
      read = TRITONBACKEND_InputProperties(input, nullptr, nullptr, &shape, &dims_count, nullptr,
                                           nullptr);
    }
    items += read.ok() && dims_count > 0 ? static_cast<uint64_t>(shape[0]) : 1;
  }
  return items;
}

}  // namespace trident::identity
