#include "inference/request.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "base/checked.h"
#include "base/clock.h"
#include "base/slab.h"
#include "inference/trace_tensors.h"

namespace trident {

const std::vector<ConstBuffer>& InputTensor::BuffersFor(const char* host_policy) const {
  if (host_policy != nullptr && !host_policy_buffers_.empty()) {
    const auto found = host_policy_buffers_.find(host_policy);
    if (found != host_policy_buffers_.end()) return found->second;
  }
  return buffers_;
}

Status InputTensor::Append(const ConstBuffer& buffer) {
  uint64_t total = 0;
  if (!CheckedAdd(byte_size_, buffer.attributes.byte_size, &total)) {
    return InvalidArg("byte size of input '", name_, "' overflows 64 bits");
  }
  if (buffer.attributes.byte_size == 0) return Status::Ok();
  changed_ = true;
  byte_size_ = total;
  buffers_.push_back(buffer);
  return Status::Ok();
}

void InputTensor::Own(std::shared_ptr<const void> owner, const ConstBuffer& buffer) {
  changed_ = true;
  owner_ = std::move(owner);
  buffers_ = {buffer};
  byte_size_ = buffer.attributes.byte_size;
}

Status InputTensor::AppendForHostPolicy(const std::string& host_policy, const ConstBuffer& buffer) {
  if (raw_) return Unsupported("raw input '", name_, "' can't have data for a host policy");
  std::vector<ConstBuffer>& buffers = host_policy_buffers_[host_policy];
  uint64_t total = buffer.attributes.byte_size;
  for (const ConstBuffer& other : buffers) {
    if (!CheckedAdd(total, other.attributes.byte_size, &total)) {
      return InvalidArg("byte size of input '", name_, "' for host policy '", host_policy,
                        "' overflows 64 bits");
    }
  }
  changed_ = true;
  buffers.push_back(buffer);
  return Status::Ok();
}

void InputTensor::RemoveData() {
  changed_ = true;
  byte_size_ = 0;
  buffers_.clear();
  host_policy_buffers_.clear();
}

#if defined(__SANITIZE_ADDRESS__)  // which then sees each request come and go
void* InferenceRequest::operator new(size_t size) {
  return ::operator new(size, std::align_val_t(alignof(InferenceRequest)));
}
void InferenceRequest::operator delete(void* request) {
  ::operator delete(request, std::align_val_t(alignof(InferenceRequest)));
}
#else
namespace {

// Never deleted: requests may live longer than anything else.
Slab& Requests() {
  static Slab& slab = *new Slab(sizeof(InferenceRequest));
  return slab;
}

}  // namespace

void* InferenceRequest::operator new([[maybe_unused]] size_t size) {
  assert(size == sizeof(InferenceRequest));
  return Requests().Allocate();
}
void InferenceRequest::operator delete(void* request) { Requests().Free(request); }
#endif

void RequestReleaser::operator()(InferenceRequest* request) const { request->Release(kReleaseAll); }

InferenceRequest::InferenceRequest(std::shared_ptr<InferenceTarget> target,
                                   int64_t requested_version)
    : target_(std::move(target)), requested_version_(requested_version) {}

InferenceRequest::~InferenceRequest() { assert(state() == State::kIdle); }

Result<InputTensor*> InferenceRequest::AddInput(std::string name, DataType datatype, Shape shape) {
  if (!inputs_.empty() && inputs_.front()->raw_) {
    return InvalidArg(LogPrefix(), "input '", name, "' can't join raw input '",
                      inputs_.front()->name(), "', which must be alone");
  }
  for (const auto& input : inputs_) {
    if (input->name() == name) {
      return InvalidArg(LogPrefix(), "input '", name, "' already exists in request");
    }
  }
  if (shape.size() > kMaxRank) {
    return InvalidArg(LogPrefix(), "input '", name, "' has rank ", shape.size(), "; at most ",
                      kMaxRank, " is allowed");
  }
  prepared_ = false;
  inputs_.push_back(std::make_unique<InputTensor>(std::move(name), datatype, std::move(shape)));
  return inputs_.back().get();
}

Status InferenceRequest::AddRawInput(std::string name) {
  if (!inputs_.empty()) {
    return InvalidArg(LogPrefix(), "raw input '", name,
                      "' can't be added to a request that has other inputs");
  }
  if (target_->signature().inputs.size() != 1) {
    return InvalidArg(LogPrefix(), "raw input needs a model with one input; model '",
                      target_->signature().name, "' has ", target_->signature().inputs.size());
  }
  prepared_ = false;
  inputs_.push_back(std::make_unique<InputTensor>(std::move(name), DataType::kInvalid, Shape()));
  inputs_.back()->raw_ = true;
  return Status::Ok();
}

Result<InputTensor*> InferenceRequest::FindInput(std::string_view name) {
  for (const auto& input : inputs_) {
    if (input->name_ == name) return input.get();
  }
  return InvalidArg(LogPrefix(), "input '", name, "' does not exist in request");
}

Status InferenceRequest::RemoveInput(std::string_view name) {
  const auto found = std::find_if(inputs_.begin(), inputs_.end(),
                                  [&](const auto& input) { return input->name_ == name; });
  if (found == inputs_.end()) {
    return InvalidArg(LogPrefix(), "input '", name, "' does not exist in request");
  }
  prepared_ = false;
  inputs_.erase(found);
  return Status::Ok();
}

void InferenceRequest::RemoveAllInputs() {
  prepared_ = false;
  inputs_.clear();
}

void InferenceRequest::AddOverrideInput(std::shared_ptr<InputTensor> input) {
  overrides_.push_back(std::move(input));
}

Result<InputTensor*> InferenceRequest::FindBackendInput(std::string_view name) {
  for (size_t i = 0; i < backend_input_count(); ++i) {
    if (backend_input(i)->name() == name) return backend_input(i);
  }
  return InvalidArg(LogPrefix(), "input '", name, "' does not exist in request");
}

Status InferenceRequest::AddRequestedOutput(std::string name) {
  if (std::find(requested_outputs_.begin(), requested_outputs_.end(), name) !=
      requested_outputs_.end()) {
    return InvalidArg(LogPrefix(), "output '", name, "' already exists in request");
  }
  // Bounds what a caller can make us hold before names are checked at submission.
  if (requested_outputs_.size() >= target_->signature().outputs.size()) {
    return InvalidArg(LogPrefix(), "output '", name, "' is one more than the ",
                      target_->signature().outputs.size(), " outputs of model '",
                      target_->signature().name, "'");
  }
  prepared_ = false;
  requested_outputs_.push_back(std::move(name));
  return Status::Ok();
}

Status InferenceRequest::RemoveRequestedOutput(const std::string& name) {
  if (std::erase(requested_outputs_, name) == 0) {
    return InvalidArg(LogPrefix(), "output '", name, "' does not exist in request");
  }
  prepared_ = false;
  return Status::Ok();
}

void InferenceRequest::RemoveAllRequestedOutputs() {
  prepared_ = false;
  requested_outputs_.clear();
}

void InferenceRequest::Rebind(std::shared_ptr<InferenceTarget> target) {
  prepared_ = false;
  target_ = std::move(target);
}

size_t InferenceRequest::output_count() const {
  if (is_null) return 0;
  return requested_outputs_.empty() ? target_->signature().outputs.size()
                                    : requested_outputs_.size();
}

const std::string& InferenceRequest::output_name(size_t index) const {
  return requested_outputs_.empty() ? target_->signature().outputs[index].name
                                    : requested_outputs_[index];
}

std::string InferenceRequest::LogPrefix() const {
  return StrCat("[request id: ", id.empty() ? "<id_unknown>" : id, "] ");
}

bool InferenceRequest::Claim() {
  State idle = State::kIdle;
  return state_.compare_exchange_strong(idle, State::kClaimed, std::memory_order_acq_rel);
}

void InferenceRequest::Submit(uint64_t now_ns) {
  if (trace_ != nullptr && !trace_begun_) trace_->Describe(target_->signature(), id);
  // A channel may outlive the request it served (a backend kept a factory); otherwise it is used
  // again, so that a steady client allocates nothing here.
  if (channel_ != nullptr && channel_->reusable() && channel_.use_count() == 1) {
    channel_->Reset(target_, sink, id);
  } else {
    channel_ = std::make_shared<ResponseChannel>(target_, sink, id);
  }
  channel_->Hold();
  overrides_.clear();
  in_order = false;
  target_->RequestStarted();
  start_ns_ = now_ns;
  state_.store(State::kQueued, std::memory_order_release);
  if (trace_ != nullptr) BeginTrace();
}

void InferenceRequest::Withdraw() {
  channel_->ForgetTrace();
  state_.store(State::kIdle, std::memory_order_release);
  channel_ = nullptr;
  target_->RequestEnded();
}

Status InferenceRequest::Cancel() {
  // While it is claimed its submission may be changing the channel.
  if (state() == State::kClaimed || channel_ == nullptr) {
    return Internal(LogPrefix(), "a request can't be cancelled before it is submitted");
  }
  // Also when the request is back already: response factories may still send for it, or, if the
  // last submission has ended while its client decided to cancel it, nobody looks at this any more.
  // Whoever hears of it may release it, and its client delete it.
  const std::shared_ptr<ResponseChannel> channel = channel_;
  if (channel->Cancel(this)) return Status::Ok();
  if (state() == State::kIdle) return Status::Ok();
  target_->CancelQueued(this);
  return Status::Ok();
}

bool InferenceRequest::IsCancelled() const { return channel_ != nullptr && channel_->cancelled(); }

void InferenceRequest::BeginTrace() {
  channel_->Trace(trace_);
  if (std::exchange(trace_begun_, true)) return;
  trace_->Report(TraceActivity::kRequestStart, start_ns_);
  trace_->Report(TraceActivity::kQueueStart, start_ns_);
  TraceQueuedInputs(*this);
}

void InferenceRequest::EndTrace() {
  if (trace_begun_) trace_->ReportNow(TraceActivity::kRequestEnd);
  trace_ = nullptr;
}

void InferenceRequest::Release(uint32_t flags) {
  channel_->ForgetCancelFunction();
  if (ReleaseWatcher* const watcher = std::exchange(watcher_, nullptr)) {
    const bool again = (flags & kReleaseReschedule) != 0;
    if (again && trace_ != nullptr) trace_->ReportNow(TraceActivity::kQueueStart);
    if (watcher->OnRelease(this, flags)) return;
  }
  if (trace_ != nullptr) EndTrace();
  if (!hosted) states = nullptr;
  if (hosted && (flags & kReleaseReschedule) != 0) channel_->ExpectNoMore();
  channel_->LetGo();  // may send a last response, from whose callback it can't be submitted yet
  // The client may delete the request, or give it another callback, before this one has returned.
  const ReleaseCallback callback = on_release;
  state_.store(State::kIdle, std::memory_order_release);
  callback(this, flags);
}

void RespondError(RequestPtr request, const Status& status, FailureReason reason) {
  const std::shared_ptr<InferenceTarget>& target = request->target();
  if (!request->is_null) target->statistics().RecordFailure(reason, request->start_ns(), NowNs());
  ResponsePtr response = InferenceResponse::New(request->channel());
  response->set_status(Status(status.code(), request->LogPrefix() + status.message()));
  // Fails only if a backend already ended the request; then there is nothing left to say.
  (void)InferenceResponse::Send(std::move(response), kResponseFinal);
}

}  // namespace trident
