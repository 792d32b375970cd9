#include "backends/onnxruntime/instance.h"

#include <algorithm>

#include "backends/common/clock.h"

namespace trident::ort {
namespace {

bool HasVariableShapes(const backend::ModelConfig& config) {
  return std::any_of(config.inputs.begin(), config.inputs.end(), [](const auto& input) {
    return std::find(input.dims.begin(), input.dims.end(), -1) != input.dims.end();
  });
}

}  // namespace

Status Instance::Create(Model* model, TRITONBACKEND_ModelInstance* handle,
                        std::unique_ptr<Instance>* instance) {
  std::unique_ptr<backend::BatchCopies> copies;
  std::unique_ptr<Session> session;
  BACKEND_RETURN_IF_ERROR(backend::BatchCopies::Create(handle, model->config(), &copies));
  BACKEND_RETURN_IF_ERROR(copies->place().on_device()
                              ? model->MakeSession(*copies->stream(), &session)
                              : model->TakeSession(&session));
  *instance = std::make_unique<Instance>(*model, handle, std::move(copies), std::move(session));
  return (*instance)->ReportMemory();
}

Instance::Instance(const Model& model, TRITONBACKEND_ModelInstance* handle,
                   std::unique_ptr<backend::BatchCopies> copies, std::unique_ptr<Session> session)
    : model_(model),
      handle_(handle),
      copies_(std::move(copies)),
      session_(std::move(session)),
      variable_shapes_(HasVariableShapes(model.config())),
      inputs_(model, *session_, copies_.get()),
      outputs_(model, *session_, copies_.get()) {}

Status Instance::Execute(TRITONBACKEND_Request** requests, uint32_t count) {
  if (model_.config().batched()) return ExecuteTogether(requests, count);
  for (uint32_t i = 0; i < count; ++i) {  // no batch dimension to join them along
    BACKEND_RETURN_IF_ERROR(ExecuteTogether(&requests[i], 1));
  }
  return Status();
}

Status Instance::ExecuteTogether(TRITONBACKEND_Request** requests, uint32_t count) {
  backend::ExecutionTimes times;
  times.exec_start_ns = backend::NowNs();
  BACKEND_RETURN_IF_ERROR(batch_.Begin(requests, count));
  try {
    batch_.FailAll(Run(&times));
  } catch (const std::exception& error) {
    batch_.FailAll(backend::Internal(model_.title(), ": cannot execute: ", error.what()));
  }
  batch_.FailAll(copies_->Synchronize());  // also what a failed run has left on its way
  copies_->TakeCount().Report(handle_);
  batch_.Finish(handle_, times, inputs_.total_items());
  inputs_.Reset();
  outputs_.Reset();
  return Status();
}

Status Instance::Run(backend::ExecutionTimes* times) {
  inputs_.Collect(&batch_);
  if (batch_.all_failed()) return Status();
  BACKEND_RETURN_IF_ERROR(inputs_.Bind(&batch_));
  BACKEND_RETURN_IF_ERROR(outputs_.Prepare(&batch_, inputs_));
  times->compute_start_ns = backend::NowNs();
  if (outputs_.count() > 0 && !batch_.all_failed()) {
    OrtStatus* status = session_->Run({inputs_.names(), inputs_.values(), inputs_.count(),
                                       outputs_.names(), outputs_.values(), outputs_.count(),
                                       model_.config().batched() ? inputs_.total_items() : 0});
    if (status != nullptr) return FromRun(status);
  }
  times->compute_end_ns = backend::NowNs();
  outputs_.Deliver(&batch_, inputs_);
  BACKEND_RETURN_IF_ERROR(copies_->Synchronize());
  outputs_.UpdateStates(&batch_);
  return Status();
}

// A node that fails where shapes may vary was most likely given shapes that do not go together;
// with fixed shapes, which were checked before, the caller cannot be at fault. Nor does ONNX
// Runtime tell such a node from a GPU without enough memory.
Status Instance::FromRun(OrtStatus* status) const {
  const std::string context = model_.title() + ": the run failed";
  Status failed = model_.runtime().ToStatus(status, context);
  const Status device = ProbeDevice();
  if (!device.ok()) {
    return Status(TRITONSERVER_ErrorCode(device.get()),
                  backend::StrCat(TRITONSERVER_ErrorMessage(failed.get()), "; ",
                                  TRITONSERVER_ErrorMessage(device.get())));
  }
  if (copies_->place().on_device() || !variable_shapes_ ||
      TRITONSERVER_ErrorCode(failed.get()) != TRITONSERVER_ERROR_INTERNAL) {
    return failed;
  }
  return backend::InvalidArg(TRITONSERVER_ErrorMessage(failed.get()));
}

Status Instance::ProbeDevice() const {
  const cuda::Stream* stream = copies_->stream();
  return stream == nullptr ? Status() : backend::FromCore(stream->device().Probe());
}

Status Instance::ReportMemory() const {
  TRITONSERVER_BufferAttributes* usage = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesNew(&usage));
  const std::unique_ptr<TRITONSERVER_BufferAttributes,
                        TRITONSERVER_Error* (*)(TRITONSERVER_BufferAttributes*)>
      owned(usage, TRITONSERVER_BufferAttributesDelete);
  const uint64_t bytes = std::max(session_->AllocatedBytes(), model_.file_bytes());
  const backend::MemoryPlace place = session_->place();
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesSetMemoryType(usage, place.type));
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesSetMemoryTypeId(usage, place.type_id));
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesSetByteSize(usage, bytes));
  return TRITONBACKEND_ModelInstanceReportMemoryUsage(handle_, &usage, 1);
}

}  // namespace trident::ort
