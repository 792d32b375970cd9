#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/common/memory.h"
#include "backends/onnxruntime/cuda_provider.h"
#include "backends/onnxruntime/runtime.h"

namespace trident::ort {

struct RunArguments;
struct SessionOptions;
struct TensorInfo;

// The GPU that a session is for. What it runs there goes through the stream, which outlives it.
struct CudaTarget {
  const cuda::Stream& stream;
  CudaOptions options;
};

// Runs of a session on a GPU: its tensors are bound to where they lie. With CUDA graphs, the runs
// of a batch size are recorded once, on each thread that has one, and replayed. Used by one thread
// at a time.
class CudaRunner {
 public:
  // The session was made with AppendCudaProvider, and lives longer.
  static Status Create(const Runtime& runtime, OrtSession* session, const CudaTarget& target,
                       const SessionOptions& options, const std::string& context,
                       std::unique_ptr<CudaRunner>* runner);
  CudaRunner(const Runtime& runtime, OrtSession* session, const CudaTarget& target,
             const SessionOptions& options);
  CudaRunner(const CudaRunner&) = delete;
  ~CudaRunner();

  backend::MemoryPlace place() const { return place_; }
  const OrtMemoryInfo* memory() const { return memory_; }
  bool has_graphs() const { return options_.graphs; }

  // Notes in `inputs` and `outputs` which of them the session reads and writes on its GPU.
  Status ReadPlaces(const std::string& context, std::vector<TensorInfo>* inputs,
                    std::vector<TensorInfo>* outputs) const;

  // `outputs` describes those of the session.
  OrtStatus* Run(const RunArguments& run, const std::vector<TensorInfo>& outputs);

 private:
  using RunOptions = std::unique_ptr<OrtRunOptions, void (*)(OrtRunOptions*)>;

  OrtStatus* Bind(const RunArguments& run, const std::vector<TensorInfo>& outputs);
  OrtStatus* TakeAllocated(const RunArguments& run);
  // Those of runs with this graph, made at the first one.
  OrtStatus* OptionsOf(int64_t graph, const OrtRunOptions** options);

  const Runtime& runtime_;
  OrtSession* const session_;
  const CudaOptions options_;
  const backend::MemoryPlace place_;
  const bool shrink_arena_;
  OrtMemoryInfo* memory_ = nullptr;
  OrtIoBinding* binding_ = nullptr;
  std::map<int64_t, RunOptions> run_options_;  // by graph
};

}  // namespace trident::ort
