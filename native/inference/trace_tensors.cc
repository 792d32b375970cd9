#include "inference/trace_tensors.h"

#include <span>
#include <utility>

#include "inference/copy_buffer.h"
#include "inference/request.h"

namespace trident {
namespace {

// Whoever listens wants one block that the CPU can read: what is none is copied for the time of the
// call, and left out where that can't be.
void TraceTensor(InferenceTrace* trace, TraceActivity activity, const std::string& name,
                 DataType datatype, const Shape& shape, std::span<const ConstBuffer> blocks) {
  TracedTensor tensor{name.c_str(), datatype, shape, {}};
  OwnedBuffer whole;
  if (blocks.size() == 1 && OnHost(blocks)) {
    tensor.bytes = blocks[0];
  } else if (!blocks.empty()) {
    uint64_t total = 0;
    for (const ConstBuffer& block : blocks) total += block.attributes.byte_size;
    Result<OwnedBuffer> copy = AllocateBuffer(total);
    if (!copy.ok()) return;
    whole = std::move(copy).value();
    if (!CopyBlocks(blocks, whole.memory.get(), whole.attributes).ok()) return;
    tensor.bytes = {whole.memory.get(), whole.attributes};
  }
  trace->ReportTensor(activity, tensor);
}

}  // namespace

void TraceQueuedInputs(const InferenceRequest& request) {
  if (!request.trace()->wants_tensors()) return;
  for (const auto& input : request.inputs()) {
    TraceTensor(request.trace(), TraceActivity::kTensorQueueInput, input->name(), input->datatype(),
                input->shape(), input->buffers());
  }
}

void TraceBackendInputs(const InferenceRequest& request, const char* host_policy) {
  if (!request.trace()->wants_tensors()) return;
  for (size_t i = 0; i < request.backend_input_count(); ++i) {
    const InputTensor& input = *request.backend_input(i);
    TraceTensor(request.trace(), TraceActivity::kTensorBackendInput, input.name(), input.datatype(),
                input.backend_shape(), input.BuffersFor(host_policy));
  }
}

void TraceOutputs(InferenceTrace* trace, const InferenceResponse& response) {
  if (!trace->wants_tensors() || !response.status().ok()) return;
  for (const auto& output : response.outputs()) {
    if (!output->has_buffer()) continue;
    const ConstBuffer bytes{output->buffer().data, output->buffer().attributes};
    TraceTensor(trace, TraceActivity::kTensorBackendOutput, output->name(), output->datatype(),
                output->shape(), {&bytes, 1});
  }
}

}  // namespace trident
