#include "inference/trace_tensors.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "inference/request.h"

namespace trident {
namespace {

// Whoever listens wants one block: several are put together for the time of the call, if there is
// memory for that.
void TraceInput(InferenceTrace* trace, TraceActivity activity, const InputTensor& input,
                const Shape& shape, const std::vector<ConstBuffer>& blocks) {
  TracedTensor tensor{input.name().c_str(), input.datatype(), shape, {}};
  std::unique_ptr<char[]> whole;
  if (blocks.size() == 1) {
    tensor.bytes = blocks[0];
  } else if (!blocks.empty()) {
    uint64_t& total = tensor.bytes.attributes.byte_size;
    for (const ConstBuffer& block : blocks) {
      if (block.attributes.memory_type == MemoryType::kGpu) return;
      total += block.attributes.byte_size;
    }
    whole.reset(new (std::nothrow) char[total]);
    if (whole == nullptr) return;
    char* end = whole.get();
    for (const ConstBuffer& block : blocks) {
      memcpy(end, block.data, block.attributes.byte_size);
      end += block.attributes.byte_size;
    }
    tensor.bytes.data = whole.get();
  }
  trace->ReportTensor(activity, tensor);
}

}  // namespace

void TraceQueuedInputs(const InferenceRequest& request) {
  if (!request.trace()->wants_tensors()) return;
  for (const auto& input : request.inputs()) {
    TraceInput(request.trace(), TraceActivity::kTensorQueueInput, *input, input->shape(),
               input->buffers());
  }
}

void TraceBackendInputs(const InferenceRequest& request, const char* host_policy) {
  if (!request.trace()->wants_tensors()) return;
  for (size_t i = 0; i < request.backend_input_count(); ++i) {
    const InputTensor& input = *request.backend_input(i);
    TraceInput(request.trace(), TraceActivity::kTensorBackendInput, input, input.backend_shape(),
               input.BuffersFor(host_policy));
  }
}

void TraceOutputs(InferenceTrace* trace, const InferenceResponse& response) {
  if (!trace->wants_tensors() || !response.status().ok()) return;
  for (const auto& output : response.outputs()) {
    if (!output->has_buffer()) continue;
    const OutputBuffer& buffer = output->buffer();
    trace->ReportTensor(TraceActivity::kTensorBackendOutput, {output->name().c_str(),
                                                              output->datatype(),
                                                              output->shape(),
                                                              {buffer.data, buffer.attributes}});
  }
}

}  // namespace trident
