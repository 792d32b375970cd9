#include "scheduler/ensemble_run.h"

#include <algorithm>
#include <utility>

namespace trident {

EnsembleRun::EnsembleRun(std::shared_ptr<EnsembleShared> shared, RequestPtr request)
    : shared_(std::move(shared)),
      totals_(std::make_shared<ComputeTotals>()),
      compute_start_ns_(shared_->clock.Now()),
      request_(std::move(request)),
      client_(request_->channel()->sink()),
      streams_(request_->target()->signature().decoupled) {}

// The start ---------------------------------------------------------------------------------------

void EnsembleRun::Start(StepCalls* calls) {
  for (size_t i = 0; i < request_->output_count(); ++i) {
    outputs_.push_back(plan().TensorNamed(request_->output_name(i)));
  }
  Status status = ReserveSteps();
  if (status.ok()) {
    ChooseMemory();
    status = StartClientsResponse();
  }
  Effects effects;
  {
    MutexLock lock(shared_->mutex);
    if (!status.ok()) Fail(status, &effects);
    if (status_.ok()) {
      PutInputs();
      TakeReady(&effects);
    }
  }
  Perform(std::move(effects), calls);
}

// Each model is looked up once, so that two steps of one model never see two of its loads.
Status EnsembleRun::ReserveSteps() {
  const std::vector<EnsemblePlan::Step>& steps = plan().steps();
  const std::vector<bool> needed = plan().StepsFor(outputs_);
  targets_.resize(steps.size());
  std::vector<std::shared_ptr<InferenceTarget>> found(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!needed[i]) continue;
    std::shared_ptr<InferenceTarget>& target = found[steps[i].first_alike];
    // A reload may close a model between its look-up and the reservation: then the next one is
    // found.
    std::shared_ptr<InferenceTarget> closed;
    while (target == nullptr) {
      TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<InferenceTarget> candidate, shared_->find_step(i));
      if (candidate->Reserve()) {
        target = std::move(candidate);
        reserved_.push_back(target);
      } else if (candidate == closed) {
        return Unavailable(request_->LogPrefix(), "model '", steps[i].model, "' is being unloaded");
      } else {
        closed = std::move(candidate);
      }
    }
    targets_[i] = target;
    if (target->signature().decoupled && !streams_) {
      return Unavailable(request_->LogPrefix(), "model '", steps[i].model,
                         "' has become decoupled since the ensemble was loaded");
    }
  }
  return Status::Ok();
}

// An output is written to the client's memory at once where that can't be seen too early: the one
// response of an ensemble that doesn't stream comes last. One that streams answers while steps
// still read, so there the step must be the only writer and nobody else a reader.
void EnsembleRun::ChooseMemory() {
  std::vector<bool> decoupled(targets_.size(), false);
  for (size_t i = 0; i < targets_.size(); ++i) {
    decoupled[i] = targets_[i] != nullptr && targets_[i]->signature().decoupled;
  }
  MutexLock lock(shared_->mutex);
  flow_.emplace(plan(), outputs_, decoupled);
  const std::vector<EnsemblePlan::Tensor>& tensors = plan().tensors();
  in_place_.assign(tensors.size(), false);
  for (size_t i = 0; i < tensors.size(); ++i) wanted_.push_back(flow_->Wants(i));
  const bool alone = std::all_of(outputs_.begin(), outputs_.end(), [&](size_t tensor) {
    const auto& readers = tensors[tensor].readers;
    return tensors[tensor].writer == tensors[outputs_[0]].writer &&
           std::none_of(readers.begin(), readers.end(),
                        [&](size_t reader) { return flow_->Needs(reader); });
  });
  if (streams_ && !alone) return;
  for (const size_t tensor : outputs_) in_place_[tensor] = tensors[tensor].writer.has_value();
}

Status EnsembleRun::StartClientsResponse() {
  const bool any = std::find(in_place_.begin(), in_place_.end(), true) != in_place_.end();
  response_started_ = any && !streams_;
  return response_started_ ? client_->StartResponse() : Status::Ok();
}

Status EnsembleRun::OnStepStartsResponse(size_t step) {
  // Where the ensemble streams into the client's memory, each response of that step is one of ours.
  const bool ours =
      streams_ && in_place_[outputs_[0]] && plan().tensors()[outputs_[0]].writer == step;
  return ours ? client_->StartResponse() : Status::Ok();
}

void EnsembleRun::PutInputs() {
  const ModelSignature& model = request_->target()->signature();
  for (const TensorSpec& spec : model.inputs) {
    const size_t tensor = plan().TensorNamed(spec.name);
    if (!wanted_[tensor]) continue;
    std::shared_ptr<EnsembleTensor> value;
    for (const auto& input : request_->inputs()) {
      if (input->name() != spec.name) continue;
      value = std::make_shared<EnsembleTensor>();
      value->datatype = input->datatype();
      value->shape = input->backend_shape();
      value->batch_size = model.batching() ? request_->batch_size() : 0;
      value->byte_size = input->byte_size();
      value->input = input.get();
    }
    flow_->Put(tensor, 0, std::move(value));
  }
}

// What steps bring --------------------------------------------------------------------------------

void EnsembleRun::OnSubmitted(const std::shared_ptr<StepCall>& call, const Status& outcome) {
  Effects effects;
  std::shared_ptr<InferenceRequest> cancel;
  {
    MutexLock lock(shared_->mutex);
    call->submitted = outcome.ok();
    if (outcome.ok()) {
      // The run may have failed, or ended, meanwhile.
      if (!status_.ok() && !call->final) cancel = call->request;
    } else {
      ++holds_;
      Fail(outcome, &effects);
      call->released = true;
      EndCall(call, &effects);
    }
  }
  if (cancel != nullptr) (void)cancel->Cancel();
  if (!outcome.ok()) Perform(std::move(effects));
}

void EnsembleRun::OnResponse(const std::shared_ptr<StepCall>& call, ResponsePtr response,
                             bool final) {
  Status status;
  std::vector<EnsembleValue> values;
  if (response != nullptr) {
    Result<std::vector<EnsembleValue>> read = call->Read(*response);
    status = read.status();
    if (read.ok()) values = std::move(read).value();
    response = nullptr;
  }
  Effects effects;
  {
    MutexLock lock(shared_->mutex);
    // Another thread's final response may have come first, and ended everything.
    if (ended_ || call->final) return;
    ++holds_;
    if (final) EndCall(call, &effects);
    if (!status.ok()) Fail(status, &effects);
    if (!values.empty()) PutAnswer(call.get(), &values, &effects);
    TakeReady(&effects);
  }
  Perform(std::move(effects));
}

void EnsembleRun::PutAnswer(StepCall* call, std::vector<EnsembleValue>* values, Effects* effects) {
  const InferenceTarget& target = *targets_[call->step()];
  if (status_.ok() && call->answered && !target.signature().decoupled) {
    Fail(Internal(request_->LogPrefix(), "model '", target.signature().name,
                  "' sent more than one response, but is not decoupled"),
         effects);
  }
  if (!status_.ok()) {
    std::move(values->begin(), values->end(), std::back_inserter(effects->values));
    return;
  }
  call->answered = true;
  const uint64_t iteration = flow_->IterationOfAnswer(call->step(), call->iteration());
  const std::vector<EnsemblePlan::Port>& outputs = plan().steps()[call->step()].outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!wanted_[outputs[i].tensor]) continue;
    flow_->Put(outputs[i].tensor, iteration, std::move((*values)[i]));
  }
}

void EnsembleRun::TakeReady(Effects* effects) {
  if (!status_.ok()) return;
  effects->ready = flow_->Take();
  open_ += effects->ready.size();
}

void EnsembleRun::OnReleased(const std::shared_ptr<StepCall>& call) {
  Effects effects;
  {
    MutexLock lock(shared_->mutex);
    ++holds_;
    call->released = true;
    if (call->final) EndCall(call, &effects);
  }
  Perform(std::move(effects));
}

// Its final response is there or will never come, and perhaps it has been released, too.
void EnsembleRun::EndCall(const std::shared_ptr<StepCall>& call, Effects* effects) {
  if (!std::exchange(call->final, true)) {
    --open_;
    shared_->GiveSlotBack(call->step(), &effects->submit);
  }
  if (!call->released) return;
  effects->over.push_back(std::exchange(call->request, nullptr));
  std::erase(calls_, call);
}

void EnsembleRun::Cancel() {
  Effects effects;
  {
    MutexLock lock(shared_->mutex);
    if (ended_) return;
    ++holds_;
    Fail(Error(StatusCode::kCancelled, request_->LogPrefix(), "request was cancelled"), &effects);
  }
  Perform(std::move(effects));
}

void EnsembleRun::Fail(const Status& status, Effects* effects) {
  if (!status_.ok()) return;
  status_ = status.WithPrefix(StrCat("in ensemble '", shared_->name, "', "));
  if (flow_) effects->values = flow_->Clear();
  for (auto& [iteration, response] : outbox_) discarded_.push_back(std::move(response));
  outbox_.clear();
  for (auto call = calls_.begin(); call != calls_.end();) {
    if ((*call)->ticket) {
      shared_->LeaveLine(call->get());
      --open_;
      effects->abandoned.push_back(*call);
      call = calls_.erase(call);
      continue;
    }
    if ((*call)->submitted && !(*call)->final) effects->cancel.push_back((*call)->request);
    ++call;
  }
}

// What follows from it ----------------------------------------------------------------------------

void EnsembleRun::Perform(Effects effects, StepCalls* submit_later) {
  const size_t steps = plan().steps().size();
  for (const EnsembleFlow::Ready& ready : std::exchange(effects.ready, {})) {
    ready.step == steps ? Respond(ready, &effects) : BeginStep(ready, &effects);
  }
  for (const auto& request : effects.cancel) (void)request->Cancel();
  for (const auto& call : effects.abandoned) call->Abandon();
  const size_t let_go = 1 + effects.abandoned.size() + effects.over.size();
  if (submit_later != nullptr) {
    std::move(effects.submit.begin(), effects.submit.end(), std::back_inserter(*submit_later));
  } else {
    SubmitSteps(std::move(effects.submit));
  }
  effects = {};
  {
    MutexLock lock(shared_->mutex);
    holds_ -= let_go;
  }
  Flush();
}

void EnsembleRun::BeginStep(const EnsembleFlow::Ready& ready, Effects* effects) {
  Status status;
  if (request_->IsCancelled()) {
    status = Error(StatusCode::kCancelled, request_->LogPrefix(), "request was cancelled");
  }
  std::shared_ptr<StepCall> call;
  if (status.ok()) {
    Result<std::shared_ptr<StepCall>> made = StepCall::Make(shared_from_this(), ready);
    status = made.status();
    if (made.ok()) call = std::move(made).value();
  }
  MutexLock lock(shared_->mutex);
  if (call != nullptr) ++holds_;
  if (!status.ok()) Fail(status, effects);
  if (!status_.ok()) {
    --open_;
    if (call != nullptr) effects->abandoned.push_back(std::move(call));
    return;
  }
  calls_.push_back(call);
  if (shared_->TakeSlot(call)) effects->submit.push_back(std::move(call));
}

}  // namespace trident
