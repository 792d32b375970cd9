#include "backends/onnxruntime/cuda_runner.h"

#include <algorithm>
#include <cstring>

#include "backends/onnxruntime/session.h"

namespace trident::ort {
namespace {

constexpr const char* kCudaMemory = "Cuda";
constexpr int64_t kNoGraph = -1;

// For functions that answer as ONNX Runtime's own do.
#define ORT_RETURN_STATUS(call)                                       \
  do {                                                                \
    if (OrtStatus* status = (call); status != nullptr) return status; \
  } while (false)

using ReadMemories = OrtStatus* (*)(const OrtSession*, const OrtMemoryInfo**, size_t);

Status ReadPlacesOf(const Runtime& runtime, const OrtSession* session, ReadMemories read,
                    backend::MemoryPlace place, const std::string& context,
                    std::vector<TensorInfo>* infos) {
  std::vector<const OrtMemoryInfo*> memories(infos->size());
  ORT_RETURN_IF_ERROR(runtime, read(session, memories.data(), memories.size()), context);
  for (size_t i = 0; i < memories.size(); ++i) {
    const char* name = nullptr;
    ORT_RETURN_IF_ERROR(runtime, runtime.api().MemoryInfoGetName(memories[i], &name), context);
    TensorInfo& info = (*infos)[i];
    if (info.type != kOrtString && strcmp(name, kCudaMemory) == 0) info.place = place;
  }
  return Status();
}

}  // namespace

Status CudaRunner::Create(const Runtime& runtime, OrtSession* session, const CudaTarget& target,
                          const SessionOptions& options, const std::string& context,
                          std::unique_ptr<CudaRunner>* runner) {
  const OrtApi& api = runtime.api();
  auto created = std::make_unique<CudaRunner>(runtime, session, target, options);
  ORT_RETURN_IF_ERROR(
      runtime,
      api.CreateMemoryInfo(kCudaMemory, kOrtDeviceAllocator, target.stream.device().id(),
                           kOrtDefaultMemory, &created->memory_),
      context);
  ORT_RETURN_IF_ERROR(runtime, api.CreateIoBinding(session, &created->binding_), context);
  *runner = std::move(created);
  return Status();
}

CudaRunner::CudaRunner(const Runtime& runtime, OrtSession* session, const CudaTarget& target,
                       const SessionOptions& options)
    : runtime_(runtime),
      session_(session),
      options_(target.options),
      place_(backend::OnDevice(target.stream.device().id())),
      shrink_arena_(options.Shrinks(ArenaOf(place_))) {}

CudaRunner::~CudaRunner() {
  if (binding_ != nullptr) runtime_.api().ReleaseIoBinding(binding_);
  if (memory_ != nullptr) runtime_.api().ReleaseMemoryInfo(memory_);
}

Status CudaRunner::ReadPlaces(const std::string& context, std::vector<TensorInfo>* inputs,
                              std::vector<TensorInfo>* outputs) const {
  const OrtApi& api = runtime_.api();
  BACKEND_RETURN_IF_ERROR(
      ReadPlacesOf(runtime_, session_, api.SessionGetMemoryInfoForInputs, place_, context, inputs));
  return ReadPlacesOf(runtime_, session_, api.SessionGetMemoryInfoForOutputs, place_, context,
                      outputs);
}

OrtStatus* CudaRunner::Run(const RunArguments& run, const std::vector<TensorInfo>& outputs) {
  const OrtRunOptions* options = nullptr;
  ORT_RETURN_STATUS(
      OptionsOf(options_.HasGraph(run.batch_size) ? run.batch_size : kNoGraph, &options));
  ORT_RETURN_STATUS(Bind(run, outputs));
  ORT_RETURN_STATUS(runtime_.api().RunWithBinding(session_, options, binding_));
  return TakeAllocated(run);
}

OrtStatus* CudaRunner::Bind(const RunArguments& run, const std::vector<TensorInfo>& outputs) {
  const OrtApi& api = runtime_.api();
  api.ClearBoundInputs(binding_);
  api.ClearBoundOutputs(binding_);
  for (size_t i = 0; i < run.input_count; ++i) {
    ORT_RETURN_STATUS(api.BindInput(binding_, run.input_names[i], run.inputs[i]));
  }
  for (size_t i = 0; i < run.output_count; ++i) {
    const char* name = run.output_names[i];
    if (run.outputs[i] != nullptr) {
      ORT_RETURN_STATUS(api.BindOutput(binding_, name, run.outputs[i]));
    } else {
      const bool on_device = FindTensor(outputs, name)->place.on_device();
      ORT_RETURN_STATUS(
          api.BindOutputToDevice(binding_, name, on_device ? memory_ : runtime_.cpu_memory()));
    }
  }
  return nullptr;
}

OrtStatus* CudaRunner::TakeAllocated(const RunArguments& run) {
  OrtValue** const end = run.outputs + run.output_count;
  if (std::find(run.outputs, end, nullptr) == end) return nullptr;
  const OrtApi& api = runtime_.api();
  OrtValue** values = nullptr;
  size_t count = 0;
  ORT_RETURN_STATUS(api.GetBoundOutputValues(binding_, runtime_.allocator(), &values, &count));
  for (size_t i = 0; i < count; ++i) {
    if (run.outputs[i] == nullptr) {
      run.outputs[i] = values[i];
    } else {
      api.ReleaseValue(values[i]);
    }
  }
  api.ClearBoundOutputs(binding_);  // which would keep them until the next run
  return api.AllocatorFree(runtime_.allocator(), values);
}

OrtStatus* CudaRunner::OptionsOf(int64_t graph, const OrtRunOptions** options) {
  const OrtApi& api = runtime_.api();
  const auto known = run_options_.find(graph);
  if (known == run_options_.end()) {
    OrtRunOptions* raw = nullptr;
    ORT_RETURN_STATUS(api.CreateRunOptions(&raw));
    RunOptions created(raw, api.ReleaseRunOptions);
    if (options_.graphs) {
      ORT_RETURN_STATUS(api.AddRunConfigEntry(raw, "gpu_graph_id", std::to_string(graph).c_str()));
    }
    if (shrink_arena_) {
      ORT_RETURN_STATUS(api.AddRunConfigEntry(raw, "memory.enable_memory_arena_shrinkage",
                                              ArenaOf(place_).c_str()));
    }
    run_options_.emplace(graph, std::move(created));
    *options = raw;
  } else {
    *options = known->second.get();
  }
  return nullptr;
}

}  // namespace trident::ort
