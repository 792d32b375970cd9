// Runs on a GPU.

#include <chrono>
#include <cstring>
#include <future>

#include "cuda/driver_api.h"
#include "fake_cuda.h"
#include "fake_parts.h"

extern "C" int cuMemAlloc_v2(uint64_t* pointer, size_t bytes);
extern "C" int cuStreamQuery(void* stream);

namespace trident::ort {
namespace {

struct Binding {
  Addresses tensors;
  std::vector<bool> allocated;  // by output
};

// Guarded by fake.mutex.
std::map<const OrtIoBinding*, Binding> bindings;
std::map<const OrtRunOptions*, std::string> graph_ids;

OrtStatus* AddRunConfigEntry(OrtRunOptions* options, const char* key, const char* value) {
  const std::lock_guard lock(fake.mutex);
  if (strcmp(key, "gpu_graph_id") == 0) graph_ids[options] = value;
  return fake.real.AddRunConfigEntry(options, key, value);
}

void ReleaseRunOptions(OrtRunOptions* options) {
  {
    const std::lock_guard lock(fake.mutex);
    graph_ids.erase(options);
  }
  fake.real.ReleaseRunOptions(options);
}

void ReleaseIoBinding(OrtIoBinding* binding) {
  {
    const std::lock_guard lock(fake.mutex);
    bindings.erase(binding);
  }
  fake.real.ReleaseIoBinding(binding);
}

void ClearBoundInputs(OrtIoBinding* binding) {
  const std::lock_guard lock(fake.mutex);
  bindings[binding].tensors.clear();
  fake.real.ClearBoundInputs(binding);
}

void ClearBoundOutputs(OrtIoBinding* binding) {
  const std::lock_guard lock(fake.mutex);
  bindings[binding].allocated.clear();
  fake.real.ClearBoundOutputs(binding);
}

const void* AddressOf(const OrtValue* value) {
  const auto on_device = fake.addresses.find(value);
  return on_device == fake.addresses.end() ? nullptr : reinterpret_cast<void*>(on_device->second);
}

OrtStatus* BindInput(OrtIoBinding* binding, const char* name, const OrtValue* value) {
  const std::lock_guard lock(fake.mutex);
  if (OrtStatus* fault = fake.Fault("BindInput")) return fault;
  bindings[binding].tensors.push_back(AddressOf(value));
  return fake.real.BindInput(binding, name, value);
}

OrtStatus* BindOutput(OrtIoBinding* binding, const char* name, const OrtValue* value) {
  const std::lock_guard lock(fake.mutex);
  bindings[binding].tensors.push_back(AddressOf(value));
  bindings[binding].allocated.push_back(false);
  return fake.real.BindOutput(binding, name, value);
}

OrtStatus* BindOutputToDevice(OrtIoBinding* binding, const char* name,
                              const OrtMemoryInfo* memory) {
  const std::lock_guard lock(fake.mutex);
  bindings[binding].allocated.push_back(fake.memories.contains(memory));
  return fake.real.BindOutputToDevice(binding, name, memory);
}

// What a run with a graph has to do with it; null when it may.
OrtStatus* UseGraph(CudaSession* session, const std::string& id, const Addresses& tensors) {
  if (session->options.entries["enable_cuda_graph"] != "1" || id == "-1") return nullptr;
  const auto [graph, recorded] =
      session->graphs.emplace(std::pair(std::this_thread::get_id(), id), tensors);
  ++(recorded ? fake.runs.recorded : fake.runs.replayed);
  return graph->second == tensors ? nullptr
                                  : fake.Refuse("the tensors of graph " + id + " have moved");
}

struct Work {
  OrtSession* session;
  const OrtRunOptions* options;
  const OrtIoBinding* binding;
  std::promise<OrtStatus*> status;
};

OrtStatus* RunWithBinding(OrtSession* session, const OrtRunOptions* options,
                          const OrtIoBinding* binding) {
  Work work{session, options, binding, {}};
  void* stream = nullptr;
  {
    const std::lock_guard lock(fake.mutex);
    if (OrtStatus* fault = fake.Fault("RunWithBinding")) return fault;
    CudaSession* cuda = fake.FindSession(session);
    if (cuda == nullptr) return fake.Refuse("a session for the CPU is run with bindings");
    ++fake.runs.all;
    const Addresses& tensors = bindings[binding].tensors;
    if (OrtStatus* status = UseGraph(cuda, graph_ids[options], tensors)) return status;
    stream = cuda->options.stream;
  }
  const auto run = [](void* data) {
    auto* next = static_cast<Work*>(data);
    next->status.set_value(fake.real.RunWithBinding(next->session, next->options, next->binding));
  };
  std::future<OrtStatus*> status = work.status.get_future();
  if (const int result = FakeCudaEnqueue(stream, run, &work)) {
    return fake.Refuse("CUDA failure " + std::to_string(result));
  }
  // A device that is lost drops the work: then the stream is through without it.
  int result = cuda::kNotReady;
  while (result == cuda::kNotReady) {
    result = cuStreamQuery(stream);
    std::this_thread::yield();
  }
  const bool done = status.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  return done ? status.get() : fake.Refuse("CUDA failure " + std::to_string(result));
}

size_t ElementBytes(OrtElementType type) {
  switch (type) {
    case kOrtInt64:
    case kOrtDouble:
    case kOrtUint64:
      return 8;
    case kOrtFloat:
    case kOrtInt32:
    case kOrtUint32:
      return 4;
    case kOrtFloat16:
    case kOrtBfloat16:
    case kOrtInt16:
    case kOrtUint16:
      return 2;
    default:
      return 1;
  }
}

// Gives what a run has left in the host's memory an address on the device.
OrtStatus* MoveToDevice(OrtValue* value) {
  OrtElementType type = kOrtUndefined;
  const int64_t* shape = nullptr;
  size_t dims_count = 0;
  void* data = nullptr;
  uint64_t address = 0;
  if (OrtStatus* status =
          fake.real.GetTensorElementTypeAndShapeDataReference(value, &type, &shape, &dims_count)) {
    return status;
  }
  size_t bytes = ElementBytes(type);
  for (size_t i = 0; i < dims_count; ++i) bytes *= shape[i];
  if (OrtStatus* status = fake.real.GetTensorMutableData(value, &data)) return status;
  if (const int result = cuMemAlloc_v2(&address, bytes + 1)) {
    return fake.Refuse("CUDA failure " + std::to_string(result));
  }
  if (bytes > 0) memcpy(FakeCudaHostAlias(address), data, bytes);
  fake.addresses[value] = address;
  fake.allocations.insert(address);
  return nullptr;
}

OrtStatus* GetBoundOutputValues(const OrtIoBinding* binding, OrtAllocator* allocator,
                                OrtValue*** values, size_t* count) {
  if (OrtStatus* status = fake.real.GetBoundOutputValues(binding, allocator, values, count)) {
    return status;
  }
  const std::lock_guard lock(fake.mutex);
  for (size_t i = 0; i < *count; ++i) {
    if (!bindings[binding].allocated[i]) continue;
    if (OrtStatus* status = MoveToDevice((*values)[i])) return status;
  }
  return nullptr;
}

}  // namespace

void ReplaceRuns(void** table) {
  Replace(table, kAddRunConfigEntry, AddRunConfigEntry);
  Replace(table, kReleaseRunOptions, ReleaseRunOptions);
  Replace(table, kReleaseIoBinding, ReleaseIoBinding);
  Replace(table, kClearBoundInputs, ClearBoundInputs);
  Replace(table, kClearBoundOutputs, ClearBoundOutputs);
  Replace(table, kBindInput, BindInput);
  Replace(table, kBindOutput, BindOutput);
  Replace(table, kBindOutputToDevice, BindOutputToDevice);
  Replace(table, kRunWithBinding, RunWithBinding);
  Replace(table, kGetBoundOutputValues, GetBoundOutputValues);
}

}  // namespace trident::ort

FAKE_ONNXRUNTIME_API FakeOnnxRuntimeRuns FakeOnnxRuntimeCountRuns() {
  const std::lock_guard lock(trident::ort::fake.mutex);
  return trident::ort::fake.runs;
}
