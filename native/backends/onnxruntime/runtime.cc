#include "backends/onnxruntime/runtime.h"

#include <dlfcn.h>

#include <cstdlib>

#include "backends/common/json.h"
#include "backends/onnxruntime/cuda_provider.h"

namespace trident::ort {
namespace {

using backend::Json;

// Failures of a run reach the caller as its error; their log line is only a detail.
TRITONSERVER_LogLevel LevelOf(OrtLogLevel level) {
  switch (level) {
    case kOrtLogWarning:
      return TRITONSERVER_LOG_WARN;
    case kOrtLogFatal:
      return TRITONSERVER_LOG_ERROR;
    default:
      return TRITONSERVER_LOG_INFO;
  }
}

void Log(void*, OrtLogLevel level, const char*, const char*, const char* code_location,
         const char* message) {
  const std::string line = std::string("onnxruntime: ") + message;
  Status logged(TRITONSERVER_LogMessage(LevelOf(level), code_location, 0, line.c_str()));
}

void PinThisLibrary() {
  Dl_info here;
  if (dladdr(reinterpret_cast<void*>(&Log), &here) != 0) {
    dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

TRITONSERVER_Error_Code CodeOf(OrtErrorCode code) {
  switch (code) {
    case kOrtInvalidArgument:
    case kOrtInvalidProtobuf:
    case kOrtInvalidGraph:
      return TRITONSERVER_ERROR_INVALID_ARG;
    case kOrtNoSuchFile:
    case kOrtNoModel:
      return TRITONSERVER_ERROR_NOT_FOUND;
    case kOrtNotImplemented:
      return TRITONSERVER_ERROR_UNSUPPORTED;
    default:
      return TRITONSERVER_ERROR_INTERNAL;
  }
}

}  // namespace

Status Runtime::Load(TRITONBACKEND_Backend* backend, std::unique_ptr<Runtime>* runtime) {
  auto loaded = std::make_unique<Runtime>();
  std::string library;
  BACKEND_RETURN_IF_ERROR(loaded->ReadSettings(backend, &library));
  if (library.empty()) {
    return backend::NotFound(
        "backend 'onnxruntime' needs the ONNX Runtime library: install the npm package "
        "onnxruntime-node, or give the absolute path of libonnxruntime.so.1 as backend setting "
        "'library' (--backend-config=onnxruntime,library=<path>) or in the environment variable "
        "TRIDENT_ONNXRUNTIME_LIBRARY; neither was set");
  }
  if (library[0] != '/') {
    return backend::InvalidArg("backend 'onnxruntime': the path of the ONNX Runtime library must ",
                               "be absolute, found '", library, "'");
  }
  std::string message;
  switch (LoadOrtApi(library, &loaded->api_, &loaded->version_, &message)) {
    case OrtLoad::kNotFound:
      return backend::NotFound("backend 'onnxruntime': ", message,
                               "; install the npm package onnxruntime-node");
    case OrtLoad::kUnusable:
      return backend::Unsupported("backend 'onnxruntime': ", message);
    case OrtLoad::kOk:
      break;
  }
  BACKEND_RETURN_IF_ERROR(loaded->CreateShared());
  loaded->cuda_provider_ = FindCudaProvider(loaded->api_);
  *runtime = std::move(loaded);
  return Status();
}

Status Runtime::ReadSettings(TRITONBACKEND_Backend* backend, std::string* library) {
  TRITONSERVER_Message* message = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendConfig(backend, &message));
  Json config;
  BACKEND_RETURN_IF_ERROR(Json::Parse(message, &config));
  if (const char* variable = getenv("TRIDENT_ONNXRUNTIME_LIBRARY")) *library = variable;
  const Json* settings = config.Find("cmdline");
  if (settings == nullptr) return Status();
  if (const auto path = settings->FindString("library"); !path.empty()) *library = path;
  if (const Json* size = settings->Find("default-max-batch-size")) {
    int64_t value = 0;
    if (!size->AsInt(&value) || value < 0 || value > INT32_MAX) {
      return backend::InvalidArg("backend 'onnxruntime': setting 'default-max-batch-size' must be ",
                                 "an integer of at least 0, found ", size->Dump());
    }
    default_max_batch_size_ = static_cast<int>(value);
  }
  return Status();
}

Status Runtime::CreateShared() {
  PinThisLibrary();
  const std::string context = "cannot start ONNX Runtime " + version_;
  ORT_RETURN_IF_ERROR(
      *this, api_.CreateEnvWithCustomLogger(Log, nullptr, kOrtLogWarning, "trident", &env_),
      context);
  ORT_RETURN_IF_ERROR(
      *this, api_.CreateCpuMemoryInfo(kOrtArenaAllocator, /*mem_type=*/0, &cpu_memory_), context);
  ORT_RETURN_IF_ERROR(*this, api_.GetAllocatorWithDefaultOptions(&allocator_), context);
  return Status();
}

Runtime::~Runtime() {
  if (cpu_memory_ != nullptr) api_.ReleaseMemoryInfo(cpu_memory_);
}

Status Runtime::ToStatus(OrtStatus* status, const std::string& context) const {
  Status converted(CodeOf(api_.GetErrorCode(status)),
                   context + ": " + api_.GetErrorMessage(status));
  api_.ReleaseStatus(status);
  return converted;
}

}  // namespace trident::ort
