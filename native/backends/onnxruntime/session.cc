#include "backends/onnxruntime/session.h"

#include <algorithm>
#include <cstdlib>

#include "backends/onnxruntime/datatypes.h"

namespace trident::ort {
namespace {

// The three lists of tensors that a session describes, and how each is asked.
struct TensorList {
  OrtStatus* (*count)(const OrtSession*, size_t*);
  OrtStatus* (*name)(const OrtSession*, size_t, OrtAllocator*, char**);
  OrtStatus* (*type)(const OrtSession*, size_t, OrtTypeInfo**);
};

Status DescribeType(const Runtime& runtime, const OrtTypeInfo* type_info,
                    const std::string& context, TensorInfo* info) {
  const OrtApi& api = runtime.api();
  OrtValueType value_type;
  ORT_RETURN_IF_ERROR(runtime, api.GetOnnxTypeFromTypeInfo(type_info, &value_type), context);
  if (value_type != kOrtTensor) {
    info->type_text = NonTensorName(value_type);
    return Status();
  }
  const OrtTensorInfo* tensor = nullptr;  // part of type_info
  ORT_RETURN_IF_ERROR(runtime, api.CastTypeInfoToTensorInfo(type_info, &tensor), context);
  ORT_RETURN_IF_ERROR(runtime, api.GetTensorElementType(tensor, &info->type), context);
  info->datatype = ToTriton(info->type);
  info->type_text = OnnxName(info->type);
  info->has_shape = api.TensorTypeAndShape_HasShape(tensor);
  if (!info->has_shape) return Status();
  size_t dims_count = 0;
  ORT_RETURN_IF_ERROR(runtime, api.GetDimensionsCount(tensor, &dims_count), context);
  info->dims.resize(dims_count);
  ORT_RETURN_IF_ERROR(runtime, api.GetDimensions(tensor, info->dims.data(), dims_count), context);
  return Status();
}

Status DescribeTensors(const Runtime& runtime, const OrtSession* session, const TensorList& list,
                       const std::string& context, std::vector<TensorInfo>* infos) {
  const OrtApi& api = runtime.api();
  size_t count = 0;
  ORT_RETURN_IF_ERROR(runtime, list.count(session, &count), context);
  infos->resize(count);
  for (size_t i = 0; i < count; ++i) {
    TensorInfo& info = (*infos)[i];
    char* name = nullptr;
    ORT_RETURN_IF_ERROR(runtime, list.name(session, i, runtime.allocator(), &name), context);
    info.name = name;
    ORT_RETURN_IF_ERROR(runtime, api.AllocatorFree(runtime.allocator(), name), context);
    OrtTypeInfo* type_info = nullptr;
    ORT_RETURN_IF_ERROR(runtime, list.type(session, i, &type_info), context);
    Status described = DescribeType(runtime, type_info, context, &info);
    api.ReleaseTypeInfo(type_info);
    BACKEND_RETURN_IF_ERROR(std::move(described));
  }
  return Status();
}

Status ApplyOptions(const Runtime& runtime, const SessionOptions& options,
                    const std::string& context, OrtSessionOptions* target) {
  const OrtApi& api = runtime.api();
  ORT_RETURN_IF_ERROR(runtime, api.SetIntraOpNumThreads(target, options.intra_op_threads), context);
  ORT_RETURN_IF_ERROR(runtime, api.SetInterOpNumThreads(target, options.inter_op_threads), context);
  ORT_RETURN_IF_ERROR(runtime, api.SetSessionExecutionMode(target, options.parallel ? 1 : 0),
                      context);
  ORT_RETURN_IF_ERROR(runtime, api.SetSessionGraphOptimizationLevel(target, options.optimization),
                      context);
  if (!options.memory_arena) ORT_RETURN_IF_ERROR(runtime, api.DisableCpuMemArena(target), context);
  if (!options.memory_pattern) ORT_RETURN_IF_ERROR(runtime, api.DisableMemPattern(target), context);
  for (const auto& [key, value] : options.config_entries) {
    ORT_RETURN_IF_ERROR(runtime, api.AddSessionConfigEntry(target, key.c_str(), value.c_str()),
                        context);
  }
  return Status();
}

// ONNX Runtime has many codes for a file that does not hold a usable model; we have one. On a GPU
// it has the same ones for a device without enough memory, and for missing libraries.
Status RefusedFile(Status failed) {
  if (TRITONSERVER_ErrorCode(failed.get()) != TRITONSERVER_ERROR_INTERNAL) return failed;
  return backend::InvalidArg(TRITONSERVER_ErrorMessage(failed.get()));
}

}  // namespace

std::string ArenaOf(backend::MemoryPlace place) {
  return place.on_device() ? "gpu:" + std::to_string(place.type_id) : "cpu:0";
}

const TensorInfo* FindTensor(const std::vector<TensorInfo>& infos, std::string_view name) {
  const auto found = std::find_if(infos.begin(), infos.end(),
                                  [name](const TensorInfo& info) { return info.name == name; });
  return found == infos.end() ? nullptr : &*found;
}

Status Session::Create(const Runtime& runtime, const std::string& path,
                       const SessionOptions& options, const CudaTarget* cuda,
                       const std::string& context, std::unique_ptr<Session>* session) {
  const OrtApi& api = runtime.api();
  auto created = std::make_unique<Session>(runtime);
  OrtSessionOptions* raw = nullptr;
  ORT_RETURN_IF_ERROR(runtime, api.CreateSessionOptions(&raw), context);
  const std::unique_ptr<OrtSessionOptions, void (*)(OrtSessionOptions*)> owned(
      raw, api.ReleaseSessionOptions);
  BACKEND_RETURN_IF_ERROR(ApplyOptions(runtime, options, context, raw));
  if (cuda != nullptr) {
    BACKEND_RETURN_IF_ERROR(AppendCudaProvider(runtime, cuda->options, cuda->stream, context, raw));
  }
  if (OrtStatus* status = api.CreateSession(runtime.env(), path.c_str(), raw, &created->session_)) {
    Status failed = runtime.ToStatus(status, context);
    return cuda == nullptr ? RefusedFile(std::move(failed)) : std::move(failed);
  }
  BACKEND_RETURN_IF_ERROR(created->Describe(context));
  BACKEND_RETURN_IF_ERROR(created->Prepare(options, cuda, context));
  *session = std::move(created);
  return Status();
}

Session::~Session() {
  cuda_.reset();
  if (run_options_ != nullptr) runtime_.api().ReleaseRunOptions(run_options_);
  if (session_ != nullptr) runtime_.api().ReleaseSession(session_);
}

Status Session::Prepare(const SessionOptions& options, const CudaTarget* cuda,
                        const std::string& context) {
  if (cuda != nullptr) {
    BACKEND_RETURN_IF_ERROR(
        CudaRunner::Create(runtime_, session_, *cuda, options, context, &cuda_));
    return cuda_->ReadPlaces(context, &inputs_, &outputs_);
  }
  const OrtApi& api = runtime_.api();
  ORT_RETURN_IF_ERROR(runtime_, api.CreateRunOptions(&run_options_), context);
  const std::string arena = ArenaOf(place());
  if (!options.Shrinks(arena)) return Status();
  ORT_RETURN_IF_ERROR(
      runtime_,
      api.AddRunConfigEntry(run_options_, "memory.enable_memory_arena_shrinkage", arena.c_str()),
      context);
  return Status();
}

Status Session::Describe(const std::string& context) {
  const OrtApi& api = runtime_.api();
  const TensorList inputs{api.SessionGetInputCount, api.SessionGetInputName,
                          api.SessionGetInputTypeInfo};
  const TensorList outputs{api.SessionGetOutputCount, api.SessionGetOutputName,
                           api.SessionGetOutputTypeInfo};
  const TensorList overridable{api.SessionGetOverridableInitializerCount,
                               api.SessionGetOverridableInitializerName,
                               api.SessionGetOverridableInitializerTypeInfo};
  BACKEND_RETURN_IF_ERROR(DescribeTensors(runtime_, session_, inputs, context, &inputs_));
  BACKEND_RETURN_IF_ERROR(DescribeTensors(runtime_, session_, outputs, context, &outputs_));
  return DescribeTensors(runtime_, session_, overridable, context, &overridable_);
}

uint64_t Session::AllocatedBytes() const {
  const OrtApi& api = runtime_.api();
  OrtAllocator* allocator = nullptr;
  OrtKeyValuePairs* stats = nullptr;
  uint64_t bytes = 0;
  OrtStatus* status = api.CreateAllocator(session_, memory(place()), &allocator);
  if (status == nullptr) status = api.AllocatorGetStats(allocator, &stats);
  if (status == nullptr) {
    const char* text = api.GetKeyValue(stats, "TotalAllocated");
    if (text != nullptr) bytes = strtoull(text, nullptr, 10);
    api.ReleaseKeyValuePairs(stats);
  } else {
    api.ReleaseStatus(status);  // an allocator without an arena keeps no statistics
  }
  if (allocator != nullptr) api.ReleaseAllocator(allocator);
  return bytes;
}

}  // namespace trident::ort
