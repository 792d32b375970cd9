#pragma once

#include <memory>
#include <string>

#include "backends/common/status.h"
#include "backends/onnxruntime/ort_api.h"
#include "triton/core/tritonbackend.h"

namespace trident::ort {

using backend::Status;

// ONNX Runtime as this backend uses it: the functions of the library and the process-wide objects
// that every session shares. Its environment is never released: the library keeps one for all its
// users in the process, and sessions of another addon may live longer than ours. The environment
// also keeps our log function, so loading pins this plug-in in memory. Immutable after
// construction.
class Runtime {
 public:
  // The library is the backend setting `library`, else the environment variable
  // TRIDENT_ONNXRUNTIME_LIBRARY: an absolute path, onnxruntime-node's own as a rule. NOT_FOUND when
  // neither is set or there is no such file.
  static Status Load(TRITONBACKEND_Backend* backend, std::unique_ptr<Runtime>* runtime);
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  ~Runtime();

  const OrtApi& api() const { return api_; }
  const OrtEnv* env() const { return env_; }
  const OrtMemoryInfo* cpu_memory() const { return cpu_memory_; }
  OrtAllocator* allocator() const { return allocator_; }
  // What auto-completion sets as the largest batch of a model that has a batch dimension.
  int default_max_batch_size() const { return default_max_batch_size_; }

  // NOT_FOUND, and which file is missing, when there is no CUDA provider beside the library.
  Status CudaProvider() const { return cuda_provider_.Clone(); }

  // Takes the status over. The message is `context` and ONNX Runtime's own.
  Status ToStatus(OrtStatus* status, const std::string& context) const;

 private:
  Status ReadSettings(TRITONBACKEND_Backend* backend, std::string* library);
  Status CreateShared();

  OrtApi api_;
  std::string version_;
  OrtEnv* env_ = nullptr;
  OrtMemoryInfo* cpu_memory_ = nullptr;
  OrtAllocator* allocator_ = nullptr;
  int default_max_batch_size_ = 4;
  Status cuda_provider_;
};

}  // namespace trident::ort

// `call` yields an OrtStatus; `context` is evaluated only when it is an error.
#define ORT_RETURN_IF_ERROR(runtime, call, context)                                      \
  do {                                                                                   \
    if (::trident::ort::OrtStatus* status_of_call = (call); status_of_call != nullptr) { \
      return (runtime).ToStatus(status_of_call, context);                                \
    }                                                                                    \
  } while (false)
