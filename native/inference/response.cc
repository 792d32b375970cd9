#include "inference/response.h"

#include "inference/trace_tensors.h"

namespace trident {

ResponseChannel::ResponseChannel(std::shared_ptr<InferenceTarget> target,
                                 std::shared_ptr<ResponseSink> sink, std::string request_id)
    : target_(std::move(target)), sink_(std::move(sink)), request_id_(std::move(request_id)) {}

ResponseChannel::~ResponseChannel() { delete notice_.load(); }

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
  if (final_sent_.exchange(true, std::memory_order_acq_rel)) {
    trace_.LetGo();
  } else {
    const std::shared_ptr<ResponseSink> sink = sink_;
    ResponsePtr response = InferenceResponse::NewFor(*this);
    const TraceHold trace = std::move(trace_);
    response->set_status(Internal("model '", target->signature().name,
                                  "' released the request without a final response"));
    sink->Deliver(std::move(response), kResponseFinal);
  }
  target->RequestEnded();
}

// Of Cancel and TellOfCancel at once one sees what the other has stored.
bool ResponseChannel::Cancel(InferenceRequest* request) {
  cancelled_.store(true);
  CancelNotice* const notice = notice_.load();
  return notice != nullptr && notice->Call(request);
}

void ResponseChannel::TellOfCancel(InferenceRequest* request, CancelNotice::Function function) {
  if (function == nullptr) return ForgetCancelFunction();
  CancelNotice* notice = notice_.load();
  if (notice == nullptr) {
    auto made = std::make_unique<CancelNotice>();
    if (notice_.compare_exchange_strong(notice, made.get())) notice = made.release();
  }
  notice->Set(std::move(function));
  if (cancelled_.load()) notice->Call(request);
}

Status ResponseChannel::Send(ResponsePtr response, uint32_t flags) {
  const bool final = (flags & kResponseFinal) != 0;
  const bool ended = final ? final_sent_.exchange(true, std::memory_order_acq_rel)
                           : final_sent_.load(std::memory_order_acquire);
  if (ended) {
    return InvalidArg("model '", target_->signature().name,
                      "' sent a response after its final one; it was dropped");
  }
  if (traced() && response != nullptr) TraceOutputs(trace_.get(), *response);
  sink_->Deliver(std::move(response), flags);
  return Status::Ok();
}

Status OutputTensor::Allocate(uint64_t byte_size, BufferAttributes preferred) {
  if (allocated_) return InvalidArg("output '", name_, "' already has a buffer");
  if (DataTypeByteSize(datatype_) != 0 &&
      !HasByteSize(datatype_, shape_.data(), shape_.size(), byte_size)) {
    TRIDENT_ASSIGN_OR_RETURN(const uint64_t expected,
                             TensorByteSize(datatype_, shape_.data(), shape_.size()));
    return InvalidArg("output '", name_, "' with datatype ", DataTypeName(datatype_), " and shape ",
                      ShapeToString(shape_), " has ", expected, " bytes; the backend asked for ",
                      byte_size);
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

ResponsePtr InferenceResponse::NewFor(const ResponseChannel& channel) {
  InferenceResponse* const response = channel.target()->responses().Take();
  response->target_ = channel.target();
  response->sink_ = channel.sink();
  ResponsePtr owned(response);
  response->request_id_ = channel.request_id();
  if (channel.traced()) response->trace_ = channel.trace_;
  return owned;
}

ResponsePtr InferenceResponse::New(std::shared_ptr<ResponseChannel> channel) {
  ResponsePtr response = NewFor(*channel);
  response->channel_ = std::move(channel);
  response->channel_->Hold();
  return response;
}

void ResponseRecycler::operator()(InferenceResponse* response) const { response->Recycle(); }

void InferenceResponse::Recycle() {
  for (const auto& output : outputs()) {
    if (output->allocated_) sink_->Free(output->buffer_);
  }
  output_count_ = 0;
  parameters_.clear();
  allocating_ = false;
  status_ = Status::Ok();
  trace_.LetGo();
  // Once it is in the pool it may serve somebody else; and the last to let go of its model deletes
  // the pool.
  const std::shared_ptr<ResponseChannel> channel = std::move(channel_);
  const std::shared_ptr<InferenceTarget> target = std::move(target_);
  const std::shared_ptr<ResponseSink> sink = std::move(sink_);
  target->responses().Give(this);
  if (channel != nullptr) channel->LetGo();
}

OutputTensor* InferenceResponse::AddOutput(std::string_view name, DataType datatype,
                                           std::span<const int64_t> shape) {
  const ModelSignature& signature = target_->signature();
  OutputTensor* const output = RestoreOutput(name, datatype, shape);
  const auto index = ModelSignature::Find(signature.outputs, name);
  if (index && signature.outputs[*index].reshape) {
    const TensorSpec& spec = signature.outputs[*index];
    const size_t leading = signature.batching() ? 1 : 0;
    // A backend that gives another rank than configured is its own problem: nothing to map.
    if (shape.size() == leading + spec.reshape->size()) {
      output->shape_ = Reshape(output->shape_, leading, *spec.reshape, spec.dims);
    }
  }
  return output;
}

OutputTensor* InferenceResponse::RestoreOutput(std::string_view name, DataType datatype,
                                               std::span<const int64_t> shape) {
  if (output_count_ == outputs_.size()) outputs_.push_back(std::make_unique<OutputTensor>(this));
  OutputTensor& output = *outputs_[output_count_++];
  // First: what fails below must not look as if it still had the buffer of its former life.
  output.allocated_ = false;
  output.buffer_ = {};
  output.name_ = name;
  output.datatype_ = datatype;
  output.shape_.assign(shape.begin(), shape.end());
  return &output;
}

OutputTensor* InferenceResponse::FindOutput(std::string_view name) {
  for (const auto& output : outputs()) {
    if (output->name() == name) return output.get();
  }
  return nullptr;
}

Status InferenceResponse::Send(ResponsePtr response, uint32_t flags) {
  // Once sent, a response belongs to its receiver and no longer keeps the model from unloading.
  const std::shared_ptr<ResponseChannel> channel = std::move(response->channel_);
  Status status = channel->Send(std::move(response), flags);
  channel->LetGo();
  return status;
}

}  // namespace trident
