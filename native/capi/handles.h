#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "base/status.h"
#include "triton/core/tritonbackend.h"
#include "triton/core/tritoncache.h"
#include "triton/core/tritonrepoagent.h"
#include "triton/core/tritonserver.h"

namespace trident {

class Agent;
class AgentModel;
class Backend;
class CacheCopier;
class InferenceRequest;
class InferenceResponse;
class InferenceTrace;
class InputTensor;
class MemoryPools;
class Metric;
class MetricFamily;
class Model;
class ModelInstance;
class OutputTensor;
class Server;
class StateTensor;
struct BackendAttribute;
struct BufferAttributes;
struct CacheEntry;
struct MetricArgs;
struct Parameter;
struct ResponseAllocator;
struct ResponseFactory;
struct ResponseReport;
struct ServerOptions;

// What stands behind each opaque type of the C ABI.
template <typename Handle>
struct Behind;
#define TRIDENT_HANDLE(handle, core) \
  template <>                        \
  struct Behind<handle> {            \
    using Type = core;               \
  }
TRIDENT_HANDLE(TRITONSERVER_BufferAttributes, BufferAttributes);
TRIDENT_HANDLE(TRITONSERVER_Error, Status);
TRIDENT_HANDLE(TRITONSERVER_InferenceRequest, InferenceRequest);
TRIDENT_HANDLE(TRITONSERVER_InferenceResponse, InferenceResponse);
TRIDENT_HANDLE(TRITONSERVER_InferenceTrace, InferenceTrace);
TRIDENT_HANDLE(TRITONSERVER_Message, std::string);
TRIDENT_HANDLE(TRITONSERVER_Metric, Metric);
TRIDENT_HANDLE(TRITONSERVER_MetricArgs, MetricArgs);
TRIDENT_HANDLE(TRITONSERVER_MetricFamily, MetricFamily);
TRIDENT_HANDLE(TRITONSERVER_Metrics, std::string);
TRIDENT_HANDLE(TRITONSERVER_Parameter, Parameter);
TRIDENT_HANDLE(TRITONSERVER_ResponseAllocator, ResponseAllocator);
TRIDENT_HANDLE(TRITONSERVER_Server, Server);
TRIDENT_HANDLE(TRITONSERVER_ServerOptions, ServerOptions);
TRIDENT_HANDLE(TRITONBACKEND_Backend, Backend);
TRIDENT_HANDLE(TRITONBACKEND_BackendAttribute, BackendAttribute);
TRIDENT_HANDLE(TRITONBACKEND_Input, InputTensor);
TRIDENT_HANDLE(TRITONBACKEND_MemoryManager, MemoryPools);
TRIDENT_HANDLE(TRITONBACKEND_Model, Model);
TRIDENT_HANDLE(TRITONBACKEND_ModelInstance, ModelInstance);
TRIDENT_HANDLE(TRITONBACKEND_ModelInstanceResponseStatistics, ResponseReport);
TRIDENT_HANDLE(TRITONBACKEND_Output, OutputTensor);
TRIDENT_HANDLE(TRITONBACKEND_Request, InferenceRequest);
TRIDENT_HANDLE(TRITONBACKEND_Response, InferenceResponse);
TRIDENT_HANDLE(TRITONBACKEND_ResponseFactory, ResponseFactory);
TRIDENT_HANDLE(TRITONBACKEND_State, StateTensor);
TRIDENT_HANDLE(TRITONCACHE_Allocator, CacheCopier);
TRIDENT_HANDLE(TRITONCACHE_CacheEntry, CacheEntry);
TRIDENT_HANDLE(TRITONREPOAGENT_Agent, Agent);
TRIDENT_HANDLE(TRITONREPOAGENT_AgentModel, AgentModel);
#undef TRIDENT_HANDLE

template <typename Handle>
typename Behind<Handle>::Type* Core(Handle* handle) {
  return reinterpret_cast<typename Behind<Handle>::Type*>(handle);
}
template <typename Handle>
const typename Behind<Handle>::Type* Core(const Handle* handle) {
  return reinterpret_cast<const typename Behind<Handle>::Type*>(handle);
}
template <typename Handle>
Handle* HandleOf(typename Behind<Handle>::Type* core) {
  return reinterpret_cast<Handle*>(core);
}

// The number behind a C enumeration's value, as an int or as a core enumeration. C callers may pass
// any number, and C++ may only load those that the enumeration lists.
template <typename To, typename CEnum>
To ReadEnum(const CEnum& value) {
  static_assert(sizeof(CEnum) == sizeof(int));
  int number = 0;
  memcpy(&number, &value, sizeof(number));
  return static_cast<To>(number);
}

// Null for success; else the caller owns the result.
inline TRITONSERVER_Error* ToError(Status status) {
  return status.ok() ? nullptr : HandleOf<TRITONSERVER_Error>(new Status(std::move(status)));
}

// Reads an error that stays its owner's; null is success.
inline Status ReadError(const TRITONSERVER_Error* error) {
  return error == nullptr ? Status::Ok() : *Core(error);
}

// Consumes an error that a callback returned.
inline Status TakeError(TRITONSERVER_Error* error) {
  Status status = ReadError(error);
  delete Core(error);
  return status;
}

// Runs the body of an entry point, which returns a Status: no exception crosses the C border. What
// is thrown by running out of memory for the error itself ends the process.
template <typename Body>
TRITONSERVER_Error* Guard(Body&& body) noexcept {
  try {
    return ToError(body());
  } catch (const std::bad_alloc&) {
    return ToError(Unavailable("out of memory"));
  } catch (const std::exception& e) {
    return ToError(Internal("unexpected exception: ", e.what()));
  } catch (...) {
    return ToError(Internal("unexpected exception"));
  }
}

// INVALID_ARG naming the null one of `arguments`, the source text of an argument list.
TRITONSERVER_Error* NullArgument(const char* function, const char* arguments, int index) noexcept;

template <typename... Pointers>
int FirstNull(Pointers... pointers) {
  int index = -1;
  int found = -1;
  ((++index, found = found < 0 && pointers == nullptr ? index : found), ...);
  return found;
}

}  // namespace trident

// Leaves the entry point with an error when one of the given arguments is null.
#define TRIDENT_REQUIRE(...)                                                     \
  if (const int null_index = ::trident::FirstNull(__VA_ARGS__); null_index >= 0) \
  return ::trident::NullArgument(__func__, #__VA_ARGS__, null_index)
