#include "backends/onnxruntime/cuda_provider.h"

#include <dlfcn.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "backends/common/memory.h"
#include "cuda/driver.h"

namespace trident::ort {
namespace {

using backend::Json;
using backend::ModelConfig;

constexpr const char* kFiles[] = {"libonnxruntime_providers_shared.so",
                                  "libonnxruntime_providers_cuda.so"};
constexpr const char* kGraphs = "enable_cuda_graph";

// Options of the provider that a configuration may not set: the instance decides on them, or they
// are addresses of functions.
constexpr const char* kReserved[] = {"device_id",           "has_user_compute_stream",
                                     "user_compute_stream", "gpu_external_alloc",
                                     "gpu_external_free",   "gpu_external_empty_cache"};

// Of the library that the function is in, as it was opened first.
std::string DirectoryOf(const void* function) {
  Dl_info library;
  if (dladdr(function, &library) == 0) return "";
  const std::string path = library.dli_fname;
  return path.substr(0, path.rfind('/'));
}

bool IsReserved(const std::string& option) {
  for (const char* reserved : kReserved) {
    if (option == reserved) return true;
  }
  return false;
}

Status ReadAccelerator(const ModelConfig& config, const Json& accelerator, CudaOptions* options) {
  const std::string_view name = accelerator.FindString("name");
  if (name == "tensorrt") {
    return backend::Unsupported("model '", config.name, "' sets the GPU execution accelerator ",
                                "'tensorrt', but this onnxruntime backend has only 'cuda'");
  }
  if (name != "cuda") {
    return backend::InvalidArg("model '", config.name, "': unknown GPU execution accelerator '",
                               name, "'; there is 'cuda'");
  }
  const Json* parameters = accelerator.Find("parameters");
  if (parameters == nullptr) return Status();
  for (const auto& [key, value] : parameters->members()) {
    if (IsReserved(key)) {
      return backend::InvalidArg("model '", config.name, "': the option '", key, "' of the GPU ",
                                 "execution accelerator 'cuda' is set by its instances");
    }
    options->provider[key] = value.text();
  }
  return Status();
}

// A parameter that names one of the option's values by its index.
Status ReadChoice(const ModelConfig& config, const char* key, std::vector<const char*> values,
                  CudaOptions* options) {
  const std::string* text = config.Parameter(key);
  if (text == nullptr) return Status();
  int64_t index = 0;
  BACKEND_RETURN_IF_ERROR(backend::ParseIntParameter(
      config, key, *text, 0, static_cast<int64_t>(values.size()) - 1, &index));
  options->provider[key] = values[index];
  return Status();
}

Status ReadParameters(const ModelConfig& config, CudaOptions* options) {
  BACKEND_RETURN_IF_ERROR(ReadChoice(config, "cudnn_conv_algo_search",
                                     {"EXHAUSTIVE", "HEURISTIC", "DEFAULT"}, options));
  BACKEND_RETURN_IF_ERROR(ReadChoice(config, "arena_extend_strategy",
                                     {"kNextPowerOfTwo", "kSameAsRequested"}, options));
  BACKEND_RETURN_IF_ERROR(ReadChoice(config, "do_copy_in_default_stream", {"0", "1"}, options));
  const std::string* limit = config.Parameter("gpu_mem_limit");
  if (limit != nullptr) options->provider["gpu_mem_limit"] = *limit;
  return Status();
}

// As the provider reads it.
bool IsTrue(const std::string& value) { return value == "1" || value == "true" || value == "True"; }

void ReadGraphs(const Json* cuda, CudaOptions* options) {
  const auto chosen = options->provider.find(kGraphs);
  if (chosen != options->provider.end()) {
    options->graphs = IsTrue(chosen->second);
  }
  if (cuda == nullptr) return;
  bool wanted = false;
  if (const Json* graphs = cuda->Find("graphs")) graphs->AsBool(&wanted);
  options->graphs = options->graphs || wanted;
  for (const Json& spec : cuda->FindItems("graph_spec")) {
    int64_t batch_size = 0;
    if (const Json* size = spec.Find("batch_size")) size->AsInt(&batch_size);
    options->graph_batch_sizes.insert(batch_size);
  }
}

using ProviderOptions = std::unique_ptr<OrtCudaOptions, void (*)(OrtCudaOptions*)>;

// To set any is what makes ONNX Runtime load the provider.
OrtStatus* SetOptions(const OrtApi& api, const std::map<std::string, std::string>& entries,
                      OrtCudaOptions* options) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : entries) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  return api.UpdateCUDAProviderOptions(options, keys.data(), values.data(), keys.size());
}

// Options for the device, the provider being loaded.
Status MakeOptions(const Runtime& runtime, int device_id, const std::string& context,
                   ProviderOptions* options) {
  const OrtApi& api = runtime.api();
  OrtCudaOptions* raw = nullptr;
  ORT_RETURN_IF_ERROR(runtime, api.CreateCUDAProviderOptions(&raw), context);
  options->reset(raw);
  ORT_RETURN_IF_ERROR(runtime, SetOptions(api, {{"device_id", std::to_string(device_id)}}, raw),
                      context);
  return Status();
}

}  // namespace

Status ReadCudaOptions(const ModelConfig& config, CudaOptions* options) {
  const Json* optimization = config.json.Find("optimization");
  const Json* cuda = nullptr;
  if (optimization != nullptr) {
    cuda = optimization->Find("cuda");
    if (const Json* accelerators = optimization->Find("execution_accelerators")) {
      for (const Json& accelerator : accelerators->FindItems("gpu_execution_accelerator")) {
        BACKEND_RETURN_IF_ERROR(ReadAccelerator(config, accelerator, options));
      }
    }
  }
  BACKEND_RETURN_IF_ERROR(ReadParameters(config, options));
  ReadGraphs(cuda, options);
  options->provider[kGraphs] = options->graphs ? "1" : "0";
  return Status();
}

Status FindCudaProvider(const OrtApi& api) {
  const std::string directory =
      DirectoryOf(reinterpret_cast<const void*>(api.SessionOptionsAppendExecutionProvider_CUDA_V2));
  for (const char* file : kFiles) {
    const std::string path = directory + "/" + file;
    if (access(path.c_str(), R_OK) == 0) continue;
    return backend::NotFound("ONNX Runtime's CUDA provider needs '", path, "', which is not ",
                             "there: install ONNX Runtime's files for CUDA beside its library, ",
                             "or have the backend setting 'library' name one that has them");
  }
  return Status();
}

Status LoadCudaProvider(const Runtime& runtime) {
  BACKEND_RETURN_IF_ERROR(runtime.CudaProvider());
  const Result<const cuda::DriverApi*> driver = cuda::Driver();
  if (!driver.ok()) return backend::FromCore(driver.status());
  ProviderOptions options(nullptr, runtime.api().ReleaseCUDAProviderOptions);
  return MakeOptions(runtime, 0, "cannot load ONNX Runtime's CUDA provider", &options);
}

Status AppendCudaProvider(const Runtime& runtime, const CudaOptions& options,
                          const cuda::Stream& stream, const std::string& context,
                          OrtSessionOptions* session) {
  const OrtApi& api = runtime.api();
  const int device_id = stream.device().id();
  ProviderOptions made(nullptr, api.ReleaseCUDAProviderOptions);
  BACKEND_RETURN_IF_ERROR(MakeOptions(runtime, device_id, context, &made));
  std::map<std::string, std::string> entries = options.provider;
  entries["device_id"] = std::to_string(device_id);  // each update sets all, the rest to defaults
  entries["has_user_compute_stream"] = "1";
  if (OrtStatus* status = SetOptions(api, entries, made.get())) {
    const Status refused = runtime.ToStatus(status, context);
    return backend::InvalidArg(TRITONSERVER_ErrorMessage(refused.get()));
  }
  ORT_RETURN_IF_ERROR(
      runtime,
      api.UpdateCUDAProviderOptionsWithValue(made.get(), "user_compute_stream", stream.handle()),
      context);
  ORT_RETURN_IF_ERROR(
      runtime, api.SessionOptionsAppendExecutionProvider_CUDA_V2(session, made.get()), context);
  return Status();
}

}  // namespace trident::ort
