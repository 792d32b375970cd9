// TRITONBACKEND_Request: a submitted request as its backend sees it.

#include "capi/request_access.h"
#include "model/release_log.h"
#include "trident/extension.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Status OutOfBounds(const InferenceRequest& request, uint32_t index, size_t count,
                   const char* what) {
  return InvalidArg(request.LogPrefix(), "out of bounds index ", index, ": request has ", count,
                    " ", what);
}

Status InputAt(const InferenceRequest& request, uint32_t index, InputTensor** input) {
  const size_t count = request.backend_input_count();
  if (index >= count) return OutOfBounds(request, index, count, "inputs");
  *input = request.backend_input(index);
  return Status::Ok();
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_RequestId(TRITONBACKEND_Request* request, const char** id) {
  TRIDENT_REQUIRE(request, id);
  *id = Core(request)->id.c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestIsCancelled(TRITONBACKEND_Request* request,
                                                     bool* is_cancelled) {
  TRIDENT_REQUIRE(request, is_cancelled);
  *is_cancelled = Core(request)->IsCancelled();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestCorrelationId(TRITONBACKEND_Request* request,
                                                       uint64_t* id) {
  TRIDENT_REQUIRE(request, id);
  return Guard([&] { return ReadCorrelationId(*Core(request), id); });
}

TRITONSERVER_Error* TRITONBACKEND_RequestCorrelationIdString(TRITONBACKEND_Request* request,
                                                             const char** id) {
  TRIDENT_REQUIRE(request, id);
  return Guard([&] { return ReadCorrelationId(*Core(request), id); });
}

TRITONSERVER_Error* TRITONBACKEND_RequestFlags(TRITONBACKEND_Request* request, uint32_t* flags) {
  TRIDENT_REQUIRE(request, flags);
  *flags = Core(request)->flags;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_InferenceRequestTimeoutMicroseconds(
    TRITONBACKEND_Request* request, uint64_t* timeout) {
  TRIDENT_REQUIRE(request, timeout);
  *timeout = Core(request)->timeout_us;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestParameterCount(TRITONBACKEND_Request* request,
                                                        uint32_t* count) {
  TRIDENT_REQUIRE(request, count);
  *count = static_cast<uint32_t>(Core(request)->parameters.size());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestParameter(TRITONBACKEND_Request* request, uint32_t index,
                                                   const char** key,
                                                   TRITONSERVER_ParameterType* type,
                                                   const void** vvalue) {
  TRIDENT_REQUIRE(request, key, type, vvalue);
  return Guard([&] {
    const std::vector<Parameter>& parameters = Core(request)->parameters;
    if (index >= parameters.size()) {
      return OutOfBounds(*Core(request), index, parameters.size(), "parameters");
    }
    *key = parameters[index].name.c_str();
    *type = static_cast<TRITONSERVER_ParameterType>(parameters[index].type);
    *vvalue = parameters[index].ValuePointer();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestInputCount(TRITONBACKEND_Request* request,
                                                    uint32_t* count) {
  TRIDENT_REQUIRE(request, count);
  *count = static_cast<uint32_t>(Core(request)->backend_input_count());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestInputName(TRITONBACKEND_Request* request, uint32_t index,
                                                   const char** input_name) {
  TRIDENT_REQUIRE(request, input_name);
  *input_name = nullptr;
  return Guard([&] {
    InputTensor* input = nullptr;
    TRIDENT_RETURN_IF_ERROR(InputAt(*Core(request), index, &input));
    *input_name = input->name().c_str();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestInput(TRITONBACKEND_Request* request, const char* name,
                                               TRITONBACKEND_Input** input) {
  TRIDENT_REQUIRE(request, name, input);
  *input = nullptr;
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(InputTensor* const found, Core(request)->FindBackendInput(name));
    *input = HandleOf<TRITONBACKEND_Input>(found);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestInputByIndex(TRITONBACKEND_Request* request,
                                                      uint32_t index, TRITONBACKEND_Input** input) {
  TRIDENT_REQUIRE(request, input);
  *input = nullptr;
  return Guard([&] {
    InputTensor* found = nullptr;
    TRIDENT_RETURN_IF_ERROR(InputAt(*Core(request), index, &found));
    *input = HandleOf<TRITONBACKEND_Input>(found);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestOutputCount(TRITONBACKEND_Request* request,
                                                     uint32_t* count) {
  TRIDENT_REQUIRE(request, count);
  *count = static_cast<uint32_t>(Core(request)->output_count());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_RequestOutputName(TRITONBACKEND_Request* request, uint32_t index,
                                                    const char** output_name) {
  TRIDENT_REQUIRE(request, output_name);
  *output_name = nullptr;
  return Guard([&] {
    const InferenceRequest& core = *Core(request);
    if (index >= core.output_count()) {
      return OutOfBounds(core, index, core.output_count(), "requested outputs");
    }
    *output_name = core.output_name(index).c_str();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestOutputBufferProperties(
    TRITONBACKEND_Request* request, const char* name, size_t* byte_size,
    TRITONSERVER_MemoryType* memory_type, int64_t* memory_type_id) {
  TRIDENT_REQUIRE(request, memory_type, memory_type_id);
  return Guard([&] {
    uint64_t size = byte_size == nullptr ? 0 : *byte_size;
    BufferAttributes attributes{.memory_type = ReadEnum<MemoryType>(*memory_type),
                                .memory_type_id = *memory_type_id};
    TRIDENT_RETURN_IF_ERROR(
        Core(request)
            ->sink->Query(name, byte_size == nullptr ? nullptr : &size, &attributes)
            .WithPrefix(Core(request)->LogPrefix()));
    if (byte_size != nullptr) *byte_size = size;
    *memory_type = static_cast<TRITONSERVER_MemoryType>(attributes.memory_type);
    *memory_type_id = attributes.memory_type_id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestRelease(TRITONBACKEND_Request* request,
                                                 uint32_t release_flags) {
  TRIDENT_REQUIRE(request);
  if (!IsExecuting(request)) return NotExecuting(__func__);
  return Guard([&] {
    if ((release_flags & kReleaseReschedule) != 0 &&
        !Core(request)->target()->signature().reschedulable) {
      return InvalidArg(Core(request)->LogPrefix(),
                        "released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, which the model '",
                        Core(request)->target()->signature().name, "' is not configured for");
    }
    ReleaseLog::Add(request);
    Core(request)->Release(release_flags);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_TridentRequestSetCancelFn(
    TRITONBACKEND_Request* request, TRITONBACKEND_TridentCancelFn_t cancel_fn, void* userp) {
  TRIDENT_REQUIRE(request);
  if (!IsExecuting(request)) return NotExecuting(__func__);
  return Guard([&] {
    CancelNotice::Function function;
    if (cancel_fn != nullptr) {
      function = [cancel_fn, userp](InferenceRequest* cancelled) {
        cancel_fn(HandleOf<TRITONBACKEND_Request>(cancelled), userp);
      };
    }
    Core(request)->TellOfCancel(std::move(function));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_TridentRequestContext(TRITONBACKEND_Request* request,
                                                        uint64_t* context) {
  TRIDENT_REQUIRE(request, context);
  *context = Core(request)->context;
  return nullptr;
}

}  // extern "C"
