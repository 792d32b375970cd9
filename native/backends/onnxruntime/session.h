#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  bool shrink_arena = false;  // give unused arena memory back after every run
  OrtOptimization optimization = kOrtEnableAll;
  std::vector<std::pair<std::string, std::string>> config_entries;
};

// An input or output of a model file. `datatype` is INVALID when Triton has no such type, and
// `type_text` then says what it is. -1 is a variable dimension.
struct TensorInfo {
  std::string name;
  OrtElementType type = kOrtUndefined;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::string type_text;
  bool has_shape = false;
  std::vector<int64_t> dims;
};

// Null when none has that name.
const TensorInfo* FindTensor(const std::vector<TensorInfo>& infos, std::string_view name);

// A model file loaded into ONNX Runtime. `Run` may be called by several threads; everything else is
// immutable after construction.
class Session {
 public:
  // `context` begins every error message.
  static Status Create(const Runtime& runtime, const std::string& path,
                       const SessionOptions& options, const std::string& context,
                       std::unique_ptr<Session>* session);
  explicit Session(const Runtime& runtime) : runtime_(runtime) {}
  Session(const Session&) = delete;
  ~Session();

  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }
  // Initializers that a caller may replace: inputs with a default.
  const std::vector<TensorInfo>& overridable() const { return overridable_; }

  OrtStatus* Run(const char* const* input_names, const OrtValue* const* inputs, size_t input_count,
                 const char* const* output_names, size_t output_count, OrtValue** outputs) const {
    return runtime_.api().Run(session_, run_options_, input_names, inputs, input_count,
                              output_names, output_count, outputs);
  }

  // What the session's allocator holds now, or 0 when it does not count.
  uint64_t AllocatedBytes() const;

 private:
  Status Describe(const std::string& context);

  const Runtime& runtime_;
  OrtSession* session_ = nullptr;
  OrtRunOptions* run_options_ = nullptr;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::vector<TensorInfo> overridable_;
};

}  // namespace trident::ort
