// Requests that fill the empty slots of a batch.

#include <algorithm>

#include "inference/copy_buffer.h"
#include "inference/request.h"

namespace trident {
namespace {

// Drops whatever a backend sends for a null request.
class NullSink : public ResponseSink {
 public:
  Status Allocate(const char* output_name, uint64_t, OutputBuffer*) override {
    return Internal("output '", output_name, "' of a null request is wanted by nobody");
  }
  void Free(const OutputBuffer&) override {}
  Status Query(const char* output_name, uint64_t*, BufferAttributes*) override {
    return Internal("output '", output_name, "' of a null request is wanted by nobody");
  }
  void Deliver(ResponsePtr, uint32_t) override {}
};

uint64_t ZeroBytes(const InputTensor& input) {
  if (input.datatype() != DataType::kBytes) return input.byte_size();
  const auto elements = ElementCount(input.shape().data(), input.shape().size());
  return elements.ok() ? *elements * sizeof(uint32_t) : 0;  // as many empty strings
}

std::shared_ptr<const void> CopyOf(const InputTensor& input) {
  auto copy = std::make_shared<std::vector<char>>(input.byte_size());
  // Its scheduler's lock is held. On failure zeros, as all else of a null request: nobody wants its
  // outputs.
  (void)CopyBlocksUnderLock(input.buffers(), copy->data(), {});
  return {copy, copy->data()};
}

}  // namespace

const std::shared_ptr<ResponseSink>& NullRequestSink() {
  static const std::shared_ptr<ResponseSink>& sink =
      *new std::shared_ptr<ResponseSink>(std::make_shared<NullSink>());
  return sink;
}

uint64_t InferenceRequest::largest_input() const {
  uint64_t largest = 0;
  for (const auto& input : inputs_) largest = std::max(largest, ZeroBytes(*input));
  return largest;
}

RequestPtr InferenceRequest::MakeNull(std::shared_ptr<const void> zeros, uint64_t now_ns) const {
  const ModelSignature& model = target_->signature();
  auto null = std::make_unique<InferenceRequest>(target_, requested_version_);
  null->is_null = true;
  null->batch_size_ = batch_size_;
  for (const auto& from : inputs_) {
    auto input = std::make_unique<InputTensor>(from->name(), from->datatype(), from->shape());
    input->reshaped_ = from->reshaped_;
    const auto spec = ModelSignature::Find(model.inputs, from->name());
    const bool is_shape = spec && model.inputs[*spec].shape_tensor;
    const std::shared_ptr<const void> bytes = is_shape ? CopyOf(*from) : zeros;
    ConstBuffer buffer{bytes.get(), {}};
    buffer.attributes.byte_size = is_shape ? from->byte_size() : ZeroBytes(*from);
    if (buffer.attributes.byte_size > 0) input->Own(bytes, buffer);
    null->inputs_.push_back(std::move(input));
  }
  null->sink = NullRequestSink();
  null->on_release = [](InferenceRequest* request, uint32_t) { delete request; };
  null->Submit(now_ns);
  return RequestPtr(null.release());
}

}  // namespace trident
