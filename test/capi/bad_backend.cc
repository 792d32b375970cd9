// A backend that does what no backend may. Its setting "mode" is "<where> <what>", with the name of
// an entry point and
//
//   throws     a std::exception
//   nameless   throws something else
//   fails      returns UNAVAILABLE
//   newer      returns what a backend does that needs a newer API
//
// and for ModelInstanceExecute also
//
//   answered   fails after it has answered
//   released   fails after it has answered and released
//   first      fails after it has answered and released the first request of the batch
//   thrown     throws after it has answered and released
//   again      answers and releases a second time; the host's refusals are counted
//   late       answers and releases on a thread of its own, after the call
//
// Where it is not told to, it behaves, and its answers have no outputs. bad_refusals() is the
// number of its calls that were refused.

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "triton/core/tritonbackend.h"

namespace {

std::atomic<int> refusals{0};

struct Backend {
  std::string mode;
};

// What a model's instance has of its own: the threads that answer late.
struct Instance {
  const Backend* backend;
  std::vector<std::thread> threads;
};

void CountRefusal(TRITONSERVER_Error* error) {
  if (error != nullptr) ++refusals;
  TRITONSERVER_ErrorDelete(error);
}

TRITONSERVER_Error* Misbehave(const Backend& backend, const std::string& where) {
  const auto is = [&](const char* what) { return backend.mode == where + " " + what; };
  if (is("throws")) throw std::runtime_error("bad: " + where);
  if (is("nameless")) throw 7;
  if (is("fails")) return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "bad: not today");
  if (is("newer")) return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNSUPPORTED, "bad: old server");
  return nullptr;
}

const Backend& BackendOf(TRITONBACKEND_Backend* handle) {
  void* state = nullptr;
  CountRefusal(TRITONBACKEND_BackendState(handle, &state));
  return *static_cast<Backend*>(state);
}

const Backend& BackendOf(TRITONBACKEND_Model* model) {
  TRITONBACKEND_Backend* handle = nullptr;
  CountRefusal(TRITONBACKEND_ModelBackend(model, &handle));
  return BackendOf(handle);
}

const Backend& BackendOf(TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = nullptr;
  CountRefusal(TRITONBACKEND_ModelInstanceModel(instance, &model));
  return BackendOf(model);
}

Instance* StateOf(TRITONBACKEND_ModelInstance* instance) {
  void* state = nullptr;
  CountRefusal(TRITONBACKEND_ModelInstanceState(instance, &state));
  return static_cast<Instance*>(state);
}

std::string ModeOf(TRITONBACKEND_Backend* backend) {
  TRITONSERVER_Message* config = nullptr;
  const char* base = nullptr;
  size_t size = 0;
  CountRefusal(TRITONBACKEND_BackendConfig(backend, &config));
  CountRefusal(TRITONSERVER_MessageSerializeToJson(config, &base, &size));
  const std::string text(base, size);
  const std::string key = "\"mode\":\"";
  const size_t begin = text.find(key);
  if (begin == std::string::npos) return "";
  return text.substr(begin + key.size(), text.find('"', begin + key.size()) - begin - key.size());
}

void Answer(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Response* response = nullptr;
  CountRefusal(TRITONBACKEND_ResponseNew(&response, request));
  if (response == nullptr) return;
  CountRefusal(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, nullptr));
}

void Release(TRITONBACKEND_Request* request) {
  CountRefusal(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

// Every misdeed with the requests of a batch; `what` is the mode's second word.
TRITONSERVER_Error* Execute(TRITONBACKEND_ModelInstance* handle, Instance* self,
                            std::vector<TRITONBACKEND_Request*> requests, const std::string& what) {
  if (what == "late") {
    self->threads.emplace_back([handle, requests = std::move(requests)] {
      for (TRITONBACKEND_Request* request : requests) {
        CountRefusal(
            TRITONBACKEND_ModelInstanceReportStatistics(handle, request, true, 1, 2, 3, 4));
        Answer(request);
        Release(request);
      }
    });
    return nullptr;
  }
  for (TRITONBACKEND_Request* request : requests) {
    Answer(request);
    if (what == "answered") continue;
    Release(request);
    if (what == "first") break;
    if (what == "again") {
      Answer(request);
      Release(request);
      TRITONBACKEND_ResponseFactory* factory = nullptr;
      CountRefusal(TRITONBACKEND_ResponseFactoryNew(&factory, request));
    }
  }
  if (what == "thrown") throw std::runtime_error("bad: thrown");
  if (what == "answered" || what == "released" || what == "first") {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "bad: too late");
  }
  return nullptr;
}

}  // namespace

extern "C" {

TRITONBACKEND_ISPEC int bad_refusals() { return refusals.load(); }

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* handle) {
  const Backend backend{ModeOf(handle)};
  if (TRITONSERVER_Error* error = Misbehave(backend, "Initialize")) return error;
  return TRITONBACKEND_BackendSetState(handle, new Backend(backend));
}

TRITONSERVER_Error* TRITONBACKEND_Finalize(TRITONBACKEND_Backend* handle) {
  const Backend backend = BackendOf(handle);
  delete &BackendOf(handle);
  return Misbehave(backend, "Finalize");
}

TRITONSERVER_Error* TRITONBACKEND_GetBackendAttribute(TRITONBACKEND_Backend* handle,
                                                      TRITONBACKEND_BackendAttribute*) {
  return Misbehave(BackendOf(handle), "GetBackendAttribute");
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  return Misbehave(BackendOf(model), "ModelInitialize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  CountRefusal(TRITONBACKEND_ModelSetState(model, nullptr));
  return Misbehave(BackendOf(model), "ModelFinalize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  const Backend& backend = BackendOf(handle);
  if (TRITONSERVER_Error* error = Misbehave(backend, "ModelInstanceInitialize")) return error;
  return TRITONBACKEND_ModelInstanceSetState(handle, new Instance{&backend, {}});
}

// Called of instances that failed to initialise, too.
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  if (Instance* self = StateOf(handle)) {
    for (std::thread& thread : self->threads) thread.join();
    delete self;
  }
  return Misbehave(BackendOf(handle), "ModelInstanceFinalize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReady(TRITONBACKEND_ModelInstance* handle) {
  return Misbehave(BackendOf(handle), "ModelInstanceReady");
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  Instance* const self = StateOf(handle);
  const std::string where = "ModelInstanceExecute";
  if (TRITONSERVER_Error* error = Misbehave(*self->backend, where)) return error;
  const bool here = self->backend->mode.starts_with(where);
  return Execute(handle, self, {requests, requests + count},
                 here ? self->backend->mode.substr(where.size() + 1) : "");
}

// It is its own batching strategy, which takes everything.
TRITONSERVER_Error* TRITONBACKEND_ModelBatcherInitialize(TRITONBACKEND_Batcher** batcher,
                                                         TRITONBACKEND_Model* model) {
  const Backend& backend = BackendOf(model);
  *batcher = reinterpret_cast<TRITONBACKEND_Batcher*>(const_cast<Backend*>(&backend));
  return Misbehave(backend, "ModelBatcherInitialize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelBatcherFinalize(TRITONBACKEND_Batcher* batcher) {
  return Misbehave(*reinterpret_cast<Backend*>(batcher), "ModelBatcherFinalize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelBatchInitialize(const TRITONBACKEND_Batcher* batcher,
                                                       void** batch) {
  *batch = const_cast<TRITONBACKEND_Batcher*>(batcher);
  return Misbehave(*reinterpret_cast<const Backend*>(batcher), "ModelBatchInitialize");
}

TRITONSERVER_Error* TRITONBACKEND_ModelBatchIncludeRequest(TRITONBACKEND_Request*, void* batch,
                                                           bool* include) {
  *include = true;
  return Misbehave(*static_cast<Backend*>(batch), "ModelBatchIncludeRequest");
}

TRITONSERVER_Error* TRITONBACKEND_ModelBatchFinalize(void* batch) {
  return Misbehave(*static_cast<Backend*>(batch), "ModelBatchFinalize");
}

}  // extern "C"
