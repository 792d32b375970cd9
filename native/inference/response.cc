#include "inference/response.h"

namespace trident {

ResponseChannel::ResponseChannel(std::shared_ptr<InferenceTarget> target,
                                 std::shared_ptr<ResponseSink> sink, std::string request_id)
    : target_(std::move(target)), sink_(std::move(sink)), request_id_(std::move(request_id)) {}

void ResponseChannel::Reset(std::shared_ptr<InferenceTarget> target,
                            std::shared_ptr<ResponseSink> sink, const std::string& request_id) {
  target_ = std::move(target);
  sink_ = std::move(sink);
  request_id_ = request_id;
  cancelled_.store(false, std::memory_order_relaxed);
  final_sent_.store(false, std::memory_order_relaxed);
}

void ResponseChannel::LetGo() {
  // The last holder may be the sink's own callback freeing the request, and with it this channel:
  // what is needed afterwards is taken out first.
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::shared_ptr<InferenceTarget> target = target_;
  if (!final_sent_.exchange(true, std::memory_order_acq_rel)) {
    const std::shared_ptr<ResponseSink> sink = sink_;
    std::unique_ptr<InferenceResponse> response(new InferenceResponse(target, sink, request_id_));
    response->set_status(Internal("model '", target->signature().name,
                                  "' released the request without a final response"));
    sink->Deliver(std::move(response), kResponseFinal);
  }
  target->RequestEnded();
}

Status ResponseChannel::Send(std::unique_ptr<InferenceResponse> response, uint32_t flags) {
  const bool final = (flags & kResponseFinal) != 0;
  const bool ended = final ? final_sent_.exchange(true, std::memory_order_acq_rel)
                           : final_sent_.load(std::memory_order_acquire);
  if (ended) {
    return InvalidArg("model '", target_->signature().name,
                      "' sent a response after its final one; it was dropped");
  }
  sink_->Deliver(std::move(response), flags);
  return Status::Ok();
}

Status OutputTensor::Allocate(uint64_t byte_size, BufferAttributes preferred) {
  if (allocated_) return InvalidArg("output '", name_, "' already has a buffer");
  if (DataTypeByteSize(datatype_) != 0) {
    TRIDENT_ASSIGN_OR_RETURN(const uint64_t expected,
                             TensorByteSize(datatype_, shape_.data(), shape_.size()));
    if (byte_size != expected) {
      return InvalidArg("output '", name_, "' with datatype ", DataTypeName(datatype_),
                        " and shape ", ShapeToString(shape_), " has ", expected,
                        " bytes; the backend asked for ", byte_size);
    }
  }
  buffer_.attributes = preferred;
  buffer_.attributes.byte_size = byte_size;
  ResponseSink* const sink = response_->sink_.get();
  if (!response_->allocating_) {
    TRIDENT_RETURN_IF_ERROR(sink->StartResponse());
    response_->allocating_ = true;
  }
  TRIDENT_RETURN_IF_ERROR(sink->Allocate(name_.c_str(), byte_size, &buffer_));
  allocated_ = true;
  return Status::Ok();
}

void OutputTensor::Adopt(const OutputBuffer& buffer) {
  buffer_ = buffer;
  allocated_ = true;
}

InferenceResponse::InferenceResponse(std::shared_ptr<ResponseChannel> channel)
    : InferenceResponse(channel->target(), channel->sink(), channel->request_id()) {
  channel_ = std::move(channel);
  channel_->Hold();
}

InferenceResponse::InferenceResponse(std::shared_ptr<InferenceTarget> target,
                                     std::shared_ptr<ResponseSink> sink, std::string request_id)
    : target_(std::move(target)), sink_(std::move(sink)), request_id_(std::move(request_id)) {}

InferenceResponse::~InferenceResponse() {
  for (const auto& output : outputs_) {
    if (output->allocated_) sink_->Free(output->buffer_);
  }
  if (channel_ != nullptr) channel_->LetGo();
}

OutputTensor* InferenceResponse::AddOutput(std::string name, DataType datatype, Shape shape) {
  const ModelSignature& signature = target_->signature();
  const auto index = ModelSignature::Find(signature.outputs, name);
  if (index && signature.outputs[*index].reshape) {
    const TensorSpec& spec = signature.outputs[*index];
    const size_t leading = signature.batching() ? 1 : 0;
    // A backend that gives another rank than configured is its own problem: nothing to map.
    if (shape.size() == leading + spec.reshape->size()) {
      shape = Reshape(shape, leading, *spec.reshape, spec.dims);
    }
  }
  return RestoreOutput(std::move(name), datatype, std::move(shape));
}

OutputTensor* InferenceResponse::RestoreOutput(std::string name, DataType datatype, Shape shape) {
  outputs_.push_back(
      std::make_unique<OutputTensor>(this, std::move(name), datatype, std::move(shape)));
  return outputs_.back().get();
}

OutputTensor* InferenceResponse::FindOutput(const std::string& name) {
  for (const auto& output : outputs_) {
    if (output->name() == name) return output.get();
  }
  return nullptr;
}

Status InferenceResponse::Send(std::unique_ptr<InferenceResponse> response, uint32_t flags) {
  // Once sent, a response belongs to its receiver and no longer keeps the model from unloading.
  const std::shared_ptr<ResponseChannel> channel = std::move(response->channel_);
  Status status = channel->Send(std::move(response), flags);
  channel->LetGo();
  return status;
}

}  // namespace trident
