// Provider options, and sessions that are made with them.

#include <cstring>

#include "fake_parts.h"

namespace trident::ort {
namespace {

// Guarded by fake.mutex.
std::map<const OrtSessionOptions*, OrtCudaOptions> appended;
OrtCudaOptions last_options;
std::set<std::string> kept_on_host;

bool IsKnownOption(const std::string& name) {
  static const std::set<std::string> known = {"device_id",
                                              "has_user_compute_stream",
                                              "gpu_mem_limit",
                                              "arena_extend_strategy",
                                              "cudnn_conv_algo_search",
                                              "do_copy_in_default_stream",
                                              "cudnn_conv_use_max_workspace",
                                              "enable_cuda_graph",
                                              "use_tf32",
                                              "prefer_nhwc",
                                              "use_ep_level_unified_stream"};
  return known.contains(name);
}

OrtStatus* CreateOptions(OrtCudaOptions** options) {
  *options = new OrtCudaOptions();
  return nullptr;
}

void ReleaseOptions(OrtCudaOptions* options) { delete options; }

OrtStatus* UpdateOptions(OrtCudaOptions* options, const char* const* keys,
                         const char* const* values, size_t count) {
  const std::lock_guard lock(fake.mutex);
  if (OrtStatus* fault = fake.Fault("UpdateCUDAProviderOptions")) return fault;
  options->entries.clear();  // those not named get their defaults
  for (size_t i = 0; i < count; ++i) {
    if (!IsKnownOption(keys[i]))
      return fake.Refuse(std::string("unknown provider option: ") + keys[i]);
    options->entries[keys[i]] = values[i];
  }
  return nullptr;
}

OrtStatus* UpdateOptionsWithValue(OrtCudaOptions* options, const char* key, void* value) {
  if (strcmp(key, "user_compute_stream") != 0) return fake.Refuse("unknown provider option");
  options->stream = value;
  return nullptr;
}

OrtStatus* Append(OrtSessionOptions* session, const OrtCudaOptions* options) {
  const std::lock_guard lock(fake.mutex);
  if (OrtStatus* fault = fake.Fault("SessionOptionsAppendExecutionProvider_CUDA_V2")) return fault;
  appended[session] = last_options = *options;
  return nullptr;
}

void ReleaseSessionOptions(OrtSessionOptions* options) {
  {
    const std::lock_guard lock(fake.mutex);
    appended.erase(options);
  }
  fake.real.ReleaseSessionOptions(options);
}

OrtStatus* CreateSession(const OrtEnv* env, const char* path, const OrtSessionOptions* options,
                         OrtSession** session) {
  {
    const std::lock_guard lock(fake.mutex);
    OrtStatus* fault = appended.contains(options) ? fake.Fault("CreateSession") : nullptr;
    if (fault != nullptr) return fault;
  }
  if (OrtStatus* status = fake.real.CreateSession(env, path, options, session)) return status;
  const std::lock_guard lock(fake.mutex);
  const auto cuda = appended.find(options);
  if (cuda == appended.end()) return nullptr;
  CudaSession& made = fake.sessions[*session];
  made.options = cuda->second;
  made.on_host = kept_on_host;
  if (OrtStatus* status = fake.real.CreateCpuMemoryInfo(kOrtDeviceAllocator, 0, &made.memory)) {
    return status;
  }
  fake.memories.insert(made.memory);
  return nullptr;
}

void ReleaseSession(OrtSession* session) {
  {
    const std::lock_guard lock(fake.mutex);
    if (CudaSession* cuda = fake.FindSession(session)) {
      fake.memories.erase(cuda->memory);
      fake.real.ReleaseMemoryInfo(cuda->memory);
      fake.sessions.erase(session);
    }
  }
  fake.real.ReleaseSession(session);
}

struct TensorList {
  OrtStatus* (*name)(const OrtSession*, size_t, OrtAllocator*, char**);
  OrtStatus* (*type)(const OrtSession*, size_t, OrtTypeInfo**);
  OrtStatus* (*memories)(const OrtSession*, const OrtMemoryInfo**, size_t);
};

OrtStatus* Describe(const OrtSession* session, const TensorList& list, size_t i, std::string* name,
                    OrtElementType* type) {
  OrtAllocator* allocator = nullptr;
  OrtTypeInfo* info = nullptr;
  const OrtTensorInfo* tensor = nullptr;
  char* text = nullptr;
  if (OrtStatus* status = fake.real.GetAllocatorWithDefaultOptions(&allocator)) return status;
  if (OrtStatus* status = list.name(session, i, allocator, &text)) return status;
  *name = text;
  if (OrtStatus* status = fake.real.AllocatorFree(allocator, text)) return status;
  if (OrtStatus* status = list.type(session, i, &info)) return status;
  OrtStatus* status = fake.real.CastTypeInfoToTensorInfo(info, &tensor);
  if (status == nullptr) status = fake.real.GetTensorElementType(tensor, type);
  fake.real.ReleaseTypeInfo(info);
  return status;
}

OrtStatus* ReadMemories(const OrtSession* session, const TensorList& list,
                        const OrtMemoryInfo** places, size_t count) {
  if (OrtStatus* status = list.memories(session, places, count)) return status;
  const std::lock_guard lock(fake.mutex);
  const CudaSession* cuda = fake.FindSession(session);
  for (size_t i = 0; cuda != nullptr && i < count; ++i) {
    std::string name;
    OrtElementType type = kOrtUndefined;
    if (OrtStatus* status = Describe(session, list, i, &name, &type)) return status;
    if (type != kOrtString && !cuda->on_host.contains(name)) places[i] = cuda->memory;
  }
  return nullptr;
}

OrtStatus* MemoriesOfInputs(const OrtSession* session, const OrtMemoryInfo** places, size_t count) {
  return ReadMemories(session,
                      {fake.real.SessionGetInputName, fake.real.SessionGetInputTypeInfo,
                       fake.real.SessionGetMemoryInfoForInputs},
                      places, count);
}

OrtStatus* MemoriesOfOutputs(const OrtSession* session, const OrtMemoryInfo** places,
                             size_t count) {
  return ReadMemories(session,
                      {fake.real.SessionGetOutputName, fake.real.SessionGetOutputTypeInfo,
                       fake.real.SessionGetMemoryInfoForOutputs},
                      places, count);
}

}  // namespace

void ReplaceSessions(void** table) {
  Replace(table, kCreateCUDAProviderOptions, CreateOptions);
  Replace(table, kReleaseCUDAProviderOptions, ReleaseOptions);
  Replace(table, kUpdateCUDAProviderOptions, UpdateOptions);
  Replace(table, kUpdateCUDAProviderOptionsWithValue, UpdateOptionsWithValue);
  Replace(table, kSessionOptionsAppendExecutionProvider_CUDA_V2, Append);
  Replace(table, kReleaseSessionOptions, ReleaseSessionOptions);
  Replace(table, kCreateSession, CreateSession);
  Replace(table, kReleaseSession, ReleaseSession);
  Replace(table, kSessionGetMemoryInfoForInputs, MemoriesOfInputs);
  Replace(table, kSessionGetMemoryInfoForOutputs, MemoriesOfOutputs);
}

}  // namespace trident::ort

using trident::ort::fake;

FAKE_ONNXRUNTIME_API const char* FakeOnnxRuntimeOption(const char* name) {
  const std::lock_guard lock(fake.mutex);
  const auto option = trident::ort::last_options.entries.find(name);
  return option == trident::ort::last_options.entries.end() ? nullptr : option->second.c_str();
}

FAKE_ONNXRUNTIME_API void FakeOnnxRuntimeKeepOnHost(const char* tensor) {
  const std::lock_guard lock(fake.mutex);
  trident::ort::kept_on_host.clear();
  if (tensor != nullptr) trident::ort::kept_on_host.insert(tensor);
}
