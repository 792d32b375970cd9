// How a request to an ensemble is answered, and how it ends.

#include <utility>

#include "scheduler/ensemble_run.h"

namespace trident {
namespace {

bool OnDevice(const BufferAttributes& place) { return place.memory_type == MemoryType::kGpu; }

}  // namespace

void EnsembleRun::Respond(const EnsembleFlow::Ready& ready, Effects* effects) {
  Result<ResponsePtr> response = MakeResponse(ready);
  MutexLock lock(shared_->mutex);
  --open_;
  if (!response.ok()) {
    Fail(response.status(), effects);
  } else if (status_.ok()) {
    outbox_[ready.iteration] = std::move(response).value();
  } else {
    discarded_.push_back(std::move(response).value());
  }
}

Result<ResponsePtr> EnsembleRun::MakeResponse(const EnsembleFlow::Ready& ready) {
  const ModelSignature& model = request_->target()->signature();
  ResponsePtr response = InferenceResponse::New(request_->channel());
  bool started = response_started_;
  for (const EnsembleValue& value : ready.inputs) {
    started = started || (value != nullptr && value->memory && value->memory->is_clients());
  }
  if (started) response->MarkStarted();
  std::optional<SequencePlace> place;
  std::vector<std::pair<OutputTensor*, TensorMemory*>> in_place;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const EnsembleValue& value = ready.inputs[i];
    if (value == nullptr) continue;
    const std::string& name = plan().tensors()[outputs_[i]].name;
    const TensorSpec& spec = model.outputs[*ModelSignature::Find(model.outputs, name)];
    OutputTensor* const output = response->AddOutput(
        name, value->datatype,
        ShapeFor(*value, spec.reshape ? *spec.reshape : spec.dims, model.batching()));
    if (value->memory != nullptr && value->memory->is_clients()) {
      in_place.emplace_back(output, value->memory.get());
    } else {
      TRIDENT_RETURN_IF_ERROR(output->Allocate(value->byte_size, PlaceOf(*value)));
      TRIDENT_RETURN_IF_ERROR(CopyBytes(*value, output->buffer()));
      if (!OnDevice(PlaceOf(*value)) || !OnDevice(output->buffer().attributes)) {
        request_->target()->statistics().RecordCopies(1, value->byte_size);
      }
    }
    if (!place) place = value->place;
  }
  // A response that fails is freed at once, and steps may read what is there in place still.
  for (const auto& [output, memory] : in_place) output->Adopt(memory->TakeOver());
  if (place) WritePlace(*place, &response->parameters());
  return response;
}

ResponsePtr EnsembleRun::NextResponse() {
  // The last one waits, to carry the final flag; so does the only one of who doesn't stream.
  if (!streams_ || open_ == 0 || outbox_.empty()) return nullptr;
  const auto first = outbox_.begin();
  if (first->first != next_iteration_) return nullptr;
  ResponsePtr response = std::move(first->second);
  outbox_.erase(first);
  ++next_iteration_;
  return response;
}

void EnsembleRun::Flush() {
  for (;;) {
    ResponsePtr response;
    {
      MutexLock lock(shared_->mutex);
      if (sending_ || ended_) return;  // who is sending looks again
      if (holds_ == 0) {
        ended_ = true;
        break;
      }
      response = NextResponse();
      if (response == nullptr) return;
      sending_ = true;
    }
    (void)InferenceResponse::Send(std::move(response), 0);
    MutexLock lock(shared_->mutex);
    sending_ = false;
  }
  Finish();
}

void EnsembleRun::Finish() {
  // From here on this is the only thread here.
  RequestPtr request = std::move(request_);
  Status status;
  std::vector<ResponsePtr> responses;
  std::vector<ResponsePtr> discarded;
  {
    MutexLock lock(shared_->mutex);
    shared_->runs.erase(request.get());
    status = status_;
    for (auto& [iteration, response] : outbox_) responses.push_back(std::move(response));
    outbox_.clear();
    discarded.swap(discarded_);
  }
  discarded.clear();
  for (const auto& target : reserved_) target->Unreserve();
  reserved_.clear();
  targets_.clear();
  if (status.ok() && responses.empty() && !streams_) {
    status = InvalidArg("in ensemble '", shared_->name, "', ", request->LogPrefix(),
                        "unexpected deadlock, at least one output is not set while no more "
                        "ensemble steps can be made");
  }
  ModelStatistics& statistics = request->target()->statistics();
  const uint64_t now = shared_->clock.Now();
  if (status.ok()) {
    statistics.RecordComposed(request->batch_size(), request->start_ns(), compute_start_ns_, now,
                              *totals_);
    if (request->compute_totals != nullptr) request->compute_totals->Add(*totals_);
  } else {
    const bool cancelled = status.code() == StatusCode::kCancelled;
    statistics.RecordFailure(cancelled ? FailureReason::kCanceled : FailureReason::kOther,
                             request->start_ns(), now);
    responses.push_back(InferenceResponse::New(request->channel()));
    responses.back()->set_status(status);
  }
  if (responses.empty()) (void)request->channel()->Send(nullptr, kResponseFinal);
  for (size_t i = 0; i < responses.size(); ++i) {
    const uint32_t flags = i + 1 == responses.size() ? kResponseFinal : 0;
    (void)InferenceResponse::Send(std::move(responses[i]), flags);
  }
}

}  // namespace trident
