#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/common/memory.h"
#include "backends/onnxruntime/cuda_runner.h"
#include "backends/onnxruntime/runtime.h"

namespace trident::ort {

// How a session runs its graph. The defaults suit a host process with other work to do: one
// thread, which never spins.
struct SessionOptions {
  int intra_op_threads = 1;  // 0: as many as there are cores
  int inter_op_threads = 1;
  bool parallel = false;
  bool memory_arena = true;
  bool memory_pattern = true;
  // The arenas that give unused memory back after every run.
  bool shrink_all_arenas = false;
  std::set<std::string> shrunk_arenas;
  OrtOptimization optimization = kOrtEnableAll;
  std::vector<std::pair<std::string, std::string>> config_entries;

  bool Shrinks(const std::string& arena) const {
    return shrink_all_arenas || shrunk_arenas.contains(arena);
  }
};

// ONNX Runtime's name of the arena there: "cpu:0", "gpu:1".
std::string ArenaOf(backend::MemoryPlace place);

// An input or output of a model file. `datatype` is INVALID when Triton has no such type, and
// `type_text` then says what it is. -1 is a variable dimension. `place` is where the session reads
// or writes it.
struct TensorInfo {
  std::string name;
  OrtElementType type = kOrtUndefined;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::string type_text;
  bool has_shape = false;
  std::vector<int64_t> dims;
  backend::MemoryPlace place;
};

// The arguments of a run. An output whose value is null is allocated where the session writes it,
// and then the caller's.
struct RunArguments {
  const char* const* input_names;
  const OrtValue* const* inputs;
  size_t input_count;
  const char* const* output_names;
  OrtValue** outputs;
  size_t output_count;
  int64_t batch_size;  // 0 for models that are not batched, as in their graph_spec
};

// Null when none has that name.
const TensorInfo* FindTensor(const std::vector<TensorInfo>& infos, std::string_view name);

// A model file loaded into ONNX Runtime, for the CPU or a GPU. `Run` may be called by several
// threads for the CPU, by one at a time for a GPU; everything else is immutable after construction.
class Session {
 public:
  // `cuda` is null for the CPU; `context` begins every error message.
  static Status Create(const Runtime& runtime, const std::string& path,
                       const SessionOptions& options, const CudaTarget* cuda,
                       const std::string& context, std::unique_ptr<Session>* session);
  explicit Session(const Runtime& runtime) : runtime_(runtime) {}
  Session(const Session&) = delete;
  ~Session();

  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }
  // Initializers that a caller may replace: inputs with a default.
  const std::vector<TensorInfo>& overridable() const { return overridable_; }
  // Where it runs.
  backend::MemoryPlace place() const {
    return cuda_ == nullptr ? backend::MemoryPlace() : cuda_->place();
  }
  // ONNX Runtime's description of the host's memory, or that at place().
  const OrtMemoryInfo* memory(backend::MemoryPlace where) const {
    return where.on_device() ? cuda_->memory() : runtime_.cpu_memory();
  }
  // Then all runs of a batch size must have their tensors at the same addresses.
  bool has_graphs() const { return cuda_ != nullptr && cuda_->has_graphs(); }

  OrtStatus* Run(const RunArguments& run) const {
    if (cuda_ != nullptr) return cuda_->Run(run, outputs_);
    return runtime_.api().Run(session_, run_options_, run.input_names, run.inputs, run.input_count,
                              run.output_names, run.output_count, run.outputs);
  }

  // What the session's allocator at place() holds now, or 0 when it does not count.
  uint64_t AllocatedBytes() const;

 private:
  Status Prepare(const SessionOptions& options, const CudaTarget* cuda, const std::string& context);
  Status Describe(const std::string& context);

  const Runtime& runtime_;
  OrtSession* session_ = nullptr;
  OrtRunOptions* run_options_ = nullptr;  // of runs on the CPU
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::vector<TensorInfo> overridable_;
  std::unique_ptr<CudaRunner> cuda_;  // null: the session is for the CPU
};

}  // namespace trident::ort
