#define TRIDENT_EXTENSION_WEAK
#include "backends/onnxruntime/instance.h"

#include <algorithm>

#include "backends/common/clock.h"
#include "trident/extension.h"

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
  TRITONSERVER_InstanceGroupKind kind;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceKind(handle, &kind));
  if (kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    return backend::Unsupported("cannot load ", model->title(), ": its instance_group asks for a ",
                                "GPU; this ONNX Runtime backend executes on the CPU");
  }
  std::unique_ptr<Session> session;
  BACKEND_RETURN_IF_ERROR(model->TakeSession(&session));
  *instance = std::make_unique<Instance>(*model, handle, std::move(session));
  return (*instance)->ReportMemory();
}

Instance::Instance(const Model& model, TRITONBACKEND_ModelInstance* handle,
                   std::unique_ptr<Session> session)
    : model_(model),
      handle_(handle),
      session_(std::move(session)),
      variable_shapes_(HasVariableShapes(model.config())),
      inputs_(model, *session_),
      outputs_(model, *session_) {}

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
  copies_ = CopyCount();
  try {
    batch_.FailAll(Run(&times));
  } catch (const std::exception& error) {
    batch_.FailAll(backend::Internal(model_.title(), ": cannot execute: ", error.what()));
  }
  ReportCopies();
  batch_.Finish(handle_, times, inputs_.total_items());
  inputs_.Reset();
  outputs_.Reset();
  return Status();
}

Status Instance::Run(backend::ExecutionTimes* times) {
  inputs_.Collect(&batch_);
  if (batch_.all_failed()) return Status();
  BACKEND_RETURN_IF_ERROR(inputs_.Bind(&batch_, &copies_));
  BACKEND_RETURN_IF_ERROR(outputs_.Prepare(&batch_, inputs_));
  times->compute_start_ns = backend::NowNs();
  if (outputs_.count() > 0 && !batch_.all_failed()) {
    OrtStatus* status = session_->Run(inputs_.names(), inputs_.values(), inputs_.count(),
                                      outputs_.names(), outputs_.count(), outputs_.values());
    if (status != nullptr) return FromRun(status);
  }
  times->compute_end_ns = backend::NowNs();
  outputs_.Deliver(&batch_, inputs_, &copies_);
  return Status();
}

// A node that fails where shapes may vary was most likely given shapes that do not go together;
// with fixed shapes, which were checked before, the caller cannot be at fault.
Status Instance::FromRun(OrtStatus* status) const {
  Status failed = model_.runtime().ToStatus(status, model_.title() + ": the run failed");
  if (!variable_shapes_ || TRITONSERVER_ErrorCode(failed.get()) != TRITONSERVER_ERROR_INTERNAL) {
    return failed;
  }
  return backend::InvalidArg(TRITONSERVER_ErrorMessage(failed.get()));
}

Status Instance::ReportMemory() const {
  TRITONSERVER_BufferAttributes* usage = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesNew(&usage));
  const std::unique_ptr<TRITONSERVER_BufferAttributes,
                        TRITONSERVER_Error* (*)(TRITONSERVER_BufferAttributes*)>
      owned(usage, TRITONSERVER_BufferAttributesDelete);
  const uint64_t bytes = std::max(session_->AllocatedBytes(), model_.file_bytes());
  BACKEND_RETURN_IF_ERROR(
      TRITONSERVER_BufferAttributesSetMemoryType(usage, TRITONSERVER_MEMORY_CPU));
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesSetMemoryTypeId(usage, 0));
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_BufferAttributesSetByteSize(usage, bytes));
  return TRITONBACKEND_ModelInstanceReportMemoryUsage(handle_, &usage, 1);
}

void Instance::ReportCopies() const {
  if (copies_.count == 0 || TRITONBACKEND_TridentModelInstanceReportCopies == nullptr) return;
  Status ignored(
      TRITONBACKEND_TridentModelInstanceReportCopies(handle_, copies_.count, copies_.bytes));
}

}  // namespace trident::ort
