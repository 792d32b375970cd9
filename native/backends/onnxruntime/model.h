#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "backends/common/model_config.h"
#include "backends/onnxruntime/session.h"

namespace trident::ort {

// One version of a model: its configuration, checked against the model file. Thread-safe.
class Model {
 public:
  // Loads the file once, completes the configuration from it when the server wants that, and
  // refuses a configuration that the file does not bear out.
  static Status Create(const Runtime& runtime, TRITONBACKEND_Model* handle,
                       std::unique_ptr<Model>* model);
  explicit Model(const Runtime& runtime) : runtime_(runtime) {}
  ~Model();

  const Runtime& runtime() const { return runtime_; }
  const backend::ModelConfig& config() const { return config_; }
  // "model 'm' version 1", for messages.
  const std::string& title() const { return title_; }
  uint64_t file_bytes() const { return file_bytes_; }

  // A session for one instance on the CPU. The first one gets that which the checks used.
  Status TakeSession(std::unique_ptr<Session>* session);
  // One for an instance on a GPU, whose work goes through the stream.
  Status MakeSession(const cuda::Stream& stream, std::unique_ptr<Session>* session);

 private:
  // A file of the version, as the configuration names it.
  Status FindFile(const std::string& name, std::string* path, uint64_t* bytes) const;
  // That for a device, where the configuration has one for its compute capability.
  Status FindFileFor(const cuda::Device& device, std::string* path) const;

  const Runtime& runtime_;
  backend::ModelConfig config_;
  std::string title_;
  std::string path_;
  uint64_t file_bytes_ = 0;
  SessionOptions options_;
  std::atomic<Session*> first_session_{nullptr};  // owned
};

// Reads the session's options from the model's parameters and optimization settings:
//   intra_op_thread_count, inter_op_thread_count     0 leaves the number to ONNX Runtime; default 1
//   execution_mode                                   0 sequential (default), 1 parallel
//   enable_mem_arena, enable_mem_pattern             0 or 1 (default)
//   memory.enable_memory_arena_shrinkage             the arenas to shrink after every run, as
//                                                    "cpu:0;gpu:0", or 1 for each; default 0
//   session.intra_op.allow_spinning, session.inter_op.allow_spinning    0 (default) or 1
//   session.disable_prepacking, session.set_denormal_as_zero,
//   session.use_device_allocator_for_initializers    0 (default) or 1
//   optimization { graph { level } }                 -1 basic, 1 extended, 2 none, else all
Status ReadSessionOptions(const backend::ModelConfig& config, SessionOptions* options);

// Adds to `config` what it leaves open and the model file tells: inputs and outputs, their
// datatypes and dims, and, when every tensor has a variable first dimension, a batch size with
// dynamic batching. `changed` says whether there was anything.
Status CompleteConfig(const Session& session, int default_max_batch_size,
                      backend::ModelConfig* config, bool* changed);

// INVALID_ARG when names, datatypes or dims of the configuration are not those of the model file.
Status CheckConfig(const Session& session, const backend::ModelConfig& config);

// INVALID_ARG when a batch size of the model does not say how large each of its tensors is, or one
// lies on the host: CUDA graphs need it otherwise. The configuration has passed CheckConfig.
Status CheckGraphs(const Session& session, const backend::ModelConfig& config);

}  // namespace trident::ort
