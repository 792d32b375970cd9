#pragma once

#include <memory>

#include "backends/common/batch_copies.h"
#include "backends/common/request_batch.h"
#include "backends/onnxruntime/inputs.h"
#include "backends/onnxruntime/model.h"
#include "backends/onnxruntime/outputs.h"
#include "backends/onnxruntime/session.h"

namespace trident::ort {

// One instance of a model: a session with the memory that its runs reuse. Instance thread only.
class Instance {
 public:
  // NOT_FOUND for an instance on a GPU when ONNX Runtime's CUDA provider is not there.
  static Status Create(Model* model, TRITONBACKEND_ModelInstance* handle,
                       std::unique_ptr<Instance>* instance);
  Instance(const Model& model, TRITONBACKEND_ModelInstance* handle,
           std::unique_ptr<backend::BatchCopies> copies, std::unique_ptr<Session> session);

  // Answers and releases the requests, successful or not. On failure they are still the caller's.
  Status Execute(TRITONBACKEND_Request** requests, uint32_t count);

 private:
  Status ExecuteTogether(TRITONBACKEND_Request** requests, uint32_t count);
  // The part of an execution between taking the requests and answering them.
  Status Run(backend::ExecutionTimes* times);
  Status FromRun(OrtStatus* status) const;
  // UNAVAILABLE when the instance's device has been lost.
  Status ProbeDevice() const;
  Status ReportMemory() const;

  const Model& model_;
  TRITONBACKEND_ModelInstance* const handle_;
  const std::unique_ptr<backend::BatchCopies> copies_;  // its stream is the session's
  const std::unique_ptr<Session> session_;
  const bool variable_shapes_;
  Inputs inputs_;
  Outputs outputs_;
  backend::RequestBatch batch_;
};

}  // namespace trident::ort
