#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/common/batch_copies.h"
#include "backends/common/model_config.h"
#include "backends/common/request_batch.h"
#include "backends/common/status.h"
#include "triton/core/tritonbackend.h"

// The identity backend: every output is a copy of its input. It serves as the work horse of tests,
// so it can also be slow and fail on request.
//
// Output OUTPUT<k> copies INPUT<k>; outputs named otherwise copy the input at the same place in the
// configuration. Datatype and shape are those of the input, BYTES included; the output of an
// optional input that a request lacks is left out of its response.
//
// Inputs and outputs may lie in memory of the host and of any device. Instances on a GPU copy on
// their device's stream and prefer its memory for outputs; those on the CPU copy what lies on a
// device there, too.
//
// Model parameters (string_value):
//   execute_delay_ms  each execution waits that long, once for the whole batch; 0 to 60000
//   fail              "model_initialize", "instance_initialize": that step fails, INTERNAL;
//                     "execute": each execution is refused and its requests handed back
// Request parameters:
//   execute_delay_ms  (integer or string) replaces the model's; a batch waits for its longest
//   fail              (string) the request is answered INTERNAL with this text
namespace trident::identity {

using backend::Status;

// A longer wish is refused, so that no caller can stop a model for good.
inline constexpr int64_t kMaxDelayMs = 60'000;

// Immutable after construction.
class Model {
 public:
  struct Copy {
    std::string input;
    std::string output;
  };

  static Status Create(TRITONBACKEND_Model* handle, std::unique_ptr<Model>* model);

  const std::string& name() const { return config_.name; }
  bool batched() const { return config_.batched(); }
  const backend::ModelConfig& config() const { return config_; }
  int64_t execute_delay_ms() const { return execute_delay_ms_; }
  const std::string& fail() const { return fail_; }
  // What to copy for the output called `name`; null when there is no such output.
  const Copy* FindCopy(const char* output) const;

 private:
  Status PairTensors();

  backend::ModelConfig config_;
  std::vector<Copy> copies_;
  int64_t execute_delay_ms_ = 0;
  std::string fail_;
};

// Instance thread only.
class Instance {
 public:
  static Status Create(const Model& model, TRITONBACKEND_ModelInstance* handle,
                       std::unique_ptr<Instance>* instance);

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count);

 private:
  Instance(const Model& model, TRITONBACKEND_ModelInstance* handle,
           std::unique_ptr<backend::BatchCopies> copies)
      : model_(model), handle_(handle), copies_(std::move(copies)) {}

  // Waits and copies: everything between taking the requests and answering them.
  void Run(backend::ExecutionTimes* times);
  // What a request asks of this backend besides the copies.
  Status ReadWishes(TRITONBACKEND_Request* request, int64_t* delay_ms) const;
  Status CopyOutputs(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response);
  Status CopyTensor(TRITONBACKEND_Input* input, const char* output_name,
                    TRITONBACKEND_Response* response);
  Status CopyBlock(char* to, backend::MemoryPlace to_place, const void* from,
                   backend::MemoryPlace from_place, uint64_t byte_size);
  uint64_t BatchItems() const;

  const Model& model_;
  TRITONBACKEND_ModelInstance* const handle_;
  const std::unique_ptr<backend::BatchCopies> copies_;
  backend::RequestBatch batch_;
};

}  // namespace trident::identity
