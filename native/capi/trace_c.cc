// TRITONSERVER_InferenceTrace.

#include "base/log.h"
#include "capi/handles.h"
#include "capi/in_callback.h"
#include "inference/request.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

// Deprecated levels, which mean TIMESTAMPS.
constexpr uint32_t kMinOrMax = TRITONSERVER_TRACE_LEVEL_MIN | TRITONSERVER_TRACE_LEVEL_MAX;

void LogThrown(std::string_view what) {
  TRIDENT_LOG(*Logger::Current(), LogLevel::kError, "a trace callback threw an exception", what);
}

// Calls a function of a client's, which may throw: what is traced goes on all the same.
template <typename Function, typename... Arguments>
void Tell(Function* function, Arguments... arguments) noexcept {
  const InCallback mark;
  try {
    function(arguments...);
  } catch (const std::exception& error) {
    LogThrown(StrCat(": ", error.what()));
  } catch (...) {
    LogThrown("");
  }
}

class CallbackListener : public TraceListener {
 public:
  CallbackListener(TRITONSERVER_InferenceTraceActivityFn_t activity,
                   TRITONSERVER_InferenceTraceTensorActivityFn_t tensor,
                   TRITONSERVER_InferenceTraceReleaseFn_t release, void* userp)
      : activity_(activity), tensor_(tensor), release_(release), userp_(userp) {}

  void OnActivity(InferenceTrace* trace, TraceActivity activity, uint64_t ns) override {
    Tell(activity_, HandleOf<TRITONSERVER_InferenceTrace>(trace),
         static_cast<TRITONSERVER_InferenceTraceActivity>(activity), ns, userp_);
  }

  void OnTensor(InferenceTrace* trace, TraceActivity activity,
                const TracedTensor& tensor) override {
    const BufferAttributes& memory = tensor.bytes.attributes;
    Tell(tensor_, HandleOf<TRITONSERVER_InferenceTrace>(trace),
         static_cast<TRITONSERVER_InferenceTraceActivity>(activity), tensor.name,
         static_cast<TRITONSERVER_DataType>(tensor.datatype), tensor.bytes.data, memory.byte_size,
         tensor.shape.data(), tensor.shape.size(),
         static_cast<TRITONSERVER_MemoryType>(memory.memory_type), memory.memory_type_id, userp_);
  }

  void OnRelease(InferenceTrace* trace) override {
    Tell(release_, HandleOf<TRITONSERVER_InferenceTrace>(trace), userp_);
  }

 private:
  const TRITONSERVER_InferenceTraceActivityFn_t activity_;
  const TRITONSERVER_InferenceTraceTensorActivityFn_t tensor_;
  const TRITONSERVER_InferenceTraceReleaseFn_t release_;
  void* const userp_;
};

TRITONSERVER_Error* MakeTrace(uint32_t level, uint64_t parent_id,
                              TRITONSERVER_InferenceTraceActivityFn_t activity,
                              TRITONSERVER_InferenceTraceTensorActivityFn_t tensor,
                              TRITONSERVER_InferenceTraceReleaseFn_t release, void* userp,
                              TRITONSERVER_InferenceTrace** trace) {
  return Guard([&] {
    auto listener = std::make_shared<CallbackListener>(activity, tensor, release, userp);
    if ((level & kMinOrMax) != 0) level |= kTraceTimestamps;
    if (activity == nullptr) level &= ~kTraceTimestamps;
    if (tensor == nullptr) level &= ~kTraceTensors;
    *trace = HandleOf<TRITONSERVER_InferenceTrace>(
        new InferenceTrace(level, parent_id, std::move(listener)));
    return Status::Ok();
  });
}

}  // namespace

extern "C" {

// Names -------------------------------------------------------------------------------------------

const char* TRITONSERVER_InferenceTraceLevelString(TRITONSERVER_InferenceTraceLevel level) {
  switch (ReadEnum<int>(level)) {
    case TRITONSERVER_TRACE_LEVEL_DISABLED:
      return "DISABLED";
    case TRITONSERVER_TRACE_LEVEL_MIN:
      return "MIN";
    case TRITONSERVER_TRACE_LEVEL_MAX:
      return "MAX";
    case TRITONSERVER_TRACE_LEVEL_TIMESTAMPS:
      return "TIMESTAMPS";
    case TRITONSERVER_TRACE_LEVEL_TENSORS:
      return "TENSORS";
  }
  return "<unknown>";  // also several bits at once
}

const char* TRITONSERVER_InferenceTraceActivityString(
    TRITONSERVER_InferenceTraceActivity activity) {
  switch (ReadEnum<int>(activity)) {
    case TRITONSERVER_TRACE_REQUEST_START:
      return "REQUEST_START";
    case TRITONSERVER_TRACE_QUEUE_START:
      return "QUEUE_START";
    case TRITONSERVER_TRACE_COMPUTE_START:
      return "COMPUTE_START";
    case TRITONSERVER_TRACE_COMPUTE_INPUT_END:
      return "COMPUTE_INPUT_END";
    case TRITONSERVER_TRACE_COMPUTE_OUTPUT_START:
      return "COMPUTE_OUTPUT_START";
    case TRITONSERVER_TRACE_COMPUTE_END:
      return "COMPUTE_END";
    case TRITONSERVER_TRACE_REQUEST_END:
      return "REQUEST_END";
    case TRITONSERVER_TRACE_TENSOR_QUEUE_INPUT:
      return "TENSOR_QUEUE_INPUT";
    case TRITONSERVER_TRACE_TENSOR_BACKEND_INPUT:
      return "TENSOR_BACKEND_INPUT";
    case TRITONSERVER_TRACE_TENSOR_BACKEND_OUTPUT:
      return "TENSOR_BACKEND_OUTPUT";
    case TRITONSERVER_TRACE_CUSTOM_ACTIVITY:
      return "CUSTOM_ACTIVITY";
  }
  return "<unknown>";
}

// Life --------------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_InferenceTraceNew(
    TRITONSERVER_InferenceTrace** trace, TRITONSERVER_InferenceTraceLevel level, uint64_t parent_id,
    TRITONSERVER_InferenceTraceActivityFn_t activity_fn,
    TRITONSERVER_InferenceTraceReleaseFn_t release_fn, void* trace_userp) {
  TRIDENT_REQUIRE(trace, release_fn);
  return MakeTrace(ReadEnum<uint32_t>(level), parent_id, activity_fn, nullptr, release_fn,
                   trace_userp, trace);
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceTensorNew(
    TRITONSERVER_InferenceTrace** trace, TRITONSERVER_InferenceTraceLevel level, uint64_t parent_id,
    TRITONSERVER_InferenceTraceActivityFn_t activity_fn,
    TRITONSERVER_InferenceTraceTensorActivityFn_t tensor_activity_fn,
    TRITONSERVER_InferenceTraceReleaseFn_t release_fn, void* trace_userp) {
  TRIDENT_REQUIRE(trace, release_fn);
  return MakeTrace(ReadEnum<uint32_t>(level), parent_id, activity_fn, tensor_activity_fn,
                   release_fn, trace_userp, trace);
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceDelete(TRITONSERVER_InferenceTrace* trace) {
  delete Core(trace);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceSpawnChildTrace(
    TRITONSERVER_InferenceTrace* trace, TRITONSERVER_InferenceTrace** child_trace) {
  TRIDENT_REQUIRE(child_trace);
  *child_trace = nullptr;
  if (trace == nullptr) return nullptr;  // a request that is not traced calls others that are not
  return Guard([&] {
    *child_trace = HandleOf<TRITONSERVER_InferenceTrace>(Core(trace)->SpawnChild().release());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_RequestTrace(TRITONBACKEND_Request* request,
                                               TRITONSERVER_InferenceTrace** trace) {
  TRIDENT_REQUIRE(request, trace);
  *trace = HandleOf<TRITONSERVER_InferenceTrace>(Core(request)->trace());
  return nullptr;
}

// Properties --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_InferenceTraceId(TRITONSERVER_InferenceTrace* trace,
                                                  uint64_t* id) {
  TRIDENT_REQUIRE(trace, id);
  *id = Core(trace)->id();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceParentId(TRITONSERVER_InferenceTrace* trace,
                                                        uint64_t* parent_id) {
  TRIDENT_REQUIRE(trace, parent_id);
  *parent_id = Core(trace)->parent_id();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceModelName(TRITONSERVER_InferenceTrace* trace,
                                                         const char** model_name) {
  TRIDENT_REQUIRE(trace, model_name);
  *model_name = Core(trace)->model_name().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceModelVersion(TRITONSERVER_InferenceTrace* trace,
                                                            int64_t* model_version) {
  TRIDENT_REQUIRE(trace, model_version);
  *model_version = Core(trace)->model_version();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceRequestId(TRITONSERVER_InferenceTrace* trace,
                                                         const char** request_id) {
  TRIDENT_REQUIRE(trace, request_id);
  *request_id = Core(trace)->request_id().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceContext(TRITONSERVER_InferenceTrace* trace,
                                                       const char** trace_context) {
  TRIDENT_REQUIRE(trace, trace_context);
  *trace_context = Core(trace)->context();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceTraceSetContext(TRITONSERVER_InferenceTrace* trace,
                                                          const char* trace_context) {
  TRIDENT_REQUIRE(trace, trace_context);
  return Guard([&] {
    Core(trace)->SetContext(trace_context);
    return Status::Ok();
  });
}

// Activities --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_InferenceTraceReportActivity(TRITONSERVER_InferenceTrace* trace,
                                                              uint64_t timestamp,
                                                              const char* activity_name) {
  if (trace == nullptr) return nullptr;  // backends ask no further whether a request is traced
  TRIDENT_REQUIRE(activity_name);
  return Guard([&] {
    Core(trace)->ReportCustom(timestamp, activity_name);
    return Status::Ok();
  });
}

}  // extern "C"
