// TRITONSERVER_InferenceRequest: all but its tensors.

#include "capi/callback_sink.h"
#include "capi/in_callback.h"
#include "capi/request_access.h"
#include "server/server.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

constexpr size_t kMaxCorrelationIdLength = 128;

// A reused request keeps its parameters, so setting one again must not make it two.
Status SetParameter(InferenceRequest* request, Parameter parameter) {
  for (Parameter& existing : request->parameters) {
    if (existing.name == parameter.name) {
      existing = std::move(parameter);
      return Status::Ok();
    }
  }
  request->parameters.push_back(std::move(parameter));
  return Status::Ok();
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_InferenceRequestNew(
    TRITONSERVER_InferenceRequest** inference_request, TRITONSERVER_Server* server,
    const char* model_name, int64_t model_version) {
  TRIDENT_REQUIRE(inference_request, server, model_name);
  return Guard([&] {
    TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<InferenceTarget> target,
                             Core(server)->FindModel(model_name, model_version));
    *inference_request = HandleOf<TRITONSERVER_InferenceRequest>(
        new InferenceRequest(std::move(target), model_version));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestDelete(
    TRITONSERVER_InferenceRequest* inference_request) {
  if (inference_request == nullptr) return nullptr;
  return ChangeRequest(__func__, inference_request, [](InferenceRequest* request) {
    delete request;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestId(
    TRITONSERVER_InferenceRequest* inference_request, const char** id) {
  TRIDENT_REQUIRE(inference_request, id);
  *id = Core(inference_request)->id.c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetId(
    TRITONSERVER_InferenceRequest* inference_request, const char* id) {
  TRIDENT_REQUIRE(inference_request, id);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->id = id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestFlags(
    TRITONSERVER_InferenceRequest* inference_request, uint32_t* flags) {
  TRIDENT_REQUIRE(inference_request, flags);
  *flags = Core(inference_request)->flags;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetFlags(
    TRITONSERVER_InferenceRequest* inference_request, uint32_t flags) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->flags = flags;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestCorrelationId(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t* correlation_id) {
  TRIDENT_REQUIRE(inference_request, correlation_id);
  return Guard([&] { return ReadCorrelationId(*Core(inference_request), correlation_id); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestCorrelationIdString(
    TRITONSERVER_InferenceRequest* inference_request, const char** correlation_id) {
  TRIDENT_REQUIRE(inference_request, correlation_id);
  return Guard([&] { return ReadCorrelationId(*Core(inference_request), correlation_id); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetCorrelationId(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t correlation_id) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->correlation_id = {.is_string = false, .number = correlation_id};
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetCorrelationIdString(
    TRITONSERVER_InferenceRequest* inference_request, const char* correlation_id) {
  TRIDENT_REQUIRE(inference_request, correlation_id);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    std::string text(correlation_id);
    if (text.size() > kMaxCorrelationIdLength) {
      return Unsupported(request->LogPrefix(), "a correlation id of ", text.size(),
                         " characters; at most ", kMaxCorrelationIdLength, " are allowed");
    }
    request->correlation_id = {.is_string = true, .text = std::move(text)};
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestCancel(
    TRITONSERVER_InferenceRequest* inference_request) {
  TRIDENT_REQUIRE(inference_request);
  return Guard([&] { return Core(inference_request)->Cancel(); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestIsCancelled(
    TRITONSERVER_InferenceRequest* inference_request, bool* is_cancelled) {
  TRIDENT_REQUIRE(inference_request, is_cancelled);
  return Guard([&] {
    const InferenceRequest& request = *Core(inference_request);
    if (request.channel() == nullptr) {
      return Internal(request.LogPrefix(),
                      "only a submitted request can tell whether it was cancelled");
    }
    *is_cancelled = request.IsCancelled();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestPriority(
    TRITONSERVER_InferenceRequest* inference_request, uint32_t* priority) {
  TRIDENT_REQUIRE(inference_request, priority);
  return Guard([&] {
    const InferenceRequest& request = *Core(inference_request);
    if (request.priority > UINT32_MAX) {
      return InvalidArg(request.LogPrefix(), "priority ", request.priority,
                        " needs TRITONSERVER_InferenceRequestPriorityUInt64");
    }
    *priority = static_cast<uint32_t>(request.priority);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestPriorityUInt64(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t* priority) {
  TRIDENT_REQUIRE(inference_request, priority);
  *priority = Core(inference_request)->priority;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetPriority(
    TRITONSERVER_InferenceRequest* inference_request, uint32_t priority) {
  TRIDENT_REQUIRE(inference_request);
  return TRITONSERVER_InferenceRequestSetPriorityUInt64(inference_request, priority);
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetPriorityUInt64(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t priority) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->priority = priority;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestTimeoutMicroseconds(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t* timeout_us) {
  TRIDENT_REQUIRE(inference_request, timeout_us);
  *timeout_us = Core(inference_request)->timeout_us;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(
    TRITONSERVER_InferenceRequest* inference_request, uint64_t timeout_us) {
  TRIDENT_REQUIRE(inference_request);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->timeout_us = timeout_us;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetStringParameter(
    TRITONSERVER_InferenceRequest* request, const char* key, const char* value) {
  TRIDENT_REQUIRE(request, key, value);
  return ChangeRequest(__func__, request, [&](InferenceRequest* core) {
    return SetParameter(core, Parameter::String(key, value));
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetIntParameter(
    TRITONSERVER_InferenceRequest* request, const char* key, int64_t value) {
  TRIDENT_REQUIRE(request, key);
  return ChangeRequest(__func__, request, [&](InferenceRequest* core) {
    return SetParameter(core, Parameter::Int(key, value));
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetBoolParameter(
    TRITONSERVER_InferenceRequest* request, const char* key, bool value) {
  TRIDENT_REQUIRE(request, key);
  return ChangeRequest(__func__, request, [&](InferenceRequest* core) {
    return SetParameter(core, Parameter::Bool(key, value));
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetDoubleParameter(
    TRITONSERVER_InferenceRequest* request, const char* key, double value) {
  TRIDENT_REQUIRE(request, key);
  return ChangeRequest(__func__, request, [&](InferenceRequest* core) {
    return SetParameter(core, Parameter::Double(key, value));
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetReleaseCallback(
    TRITONSERVER_InferenceRequest* inference_request,
    TRITONSERVER_InferenceRequestReleaseFn_t request_release_fn, void* request_release_userp) {
  TRIDENT_REQUIRE(inference_request, request_release_fn);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->on_release = [request_release_fn, request_release_userp](InferenceRequest* released,
                                                                      uint32_t flags) {
      const InCallback mark;
      request_release_fn(HandleOf<TRITONSERVER_InferenceRequest>(released), flags,
                         request_release_userp);
    };
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceRequestSetResponseCallback(
    TRITONSERVER_InferenceRequest* inference_request,
    TRITONSERVER_ResponseAllocator* response_allocator, void* response_allocator_userp,
    TRITONSERVER_InferenceResponseCompleteFn_t response_fn, void* response_userp) {
  TRIDENT_REQUIRE(inference_request, response_allocator, response_fn);
  return ChangeRequest(__func__, inference_request, [&](InferenceRequest* request) {
    request->sink = std::make_shared<CallbackSink>(
        Core(response_allocator), response_allocator_userp, response_fn, response_userp);
    return Status::Ok();
  });
}

}  // extern "C"
