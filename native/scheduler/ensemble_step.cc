#include "scheduler/ensemble_step.h"

#include <deque>

#include "scheduler/ensemble_run.h"

namespace trident {
namespace {

using MemoryNote = std::shared_ptr<TensorMemory>;

void SpawnTrace(const EnsembleRun& run, InferenceRequest& request) {
  const InferenceTrace* const parent = run.request().trace();
  if (parent != nullptr) request.set_trace(parent->SpawnChild().release());
}

// Nobody else has a child trace of the server's own making. Of one that was never told of nobody
// hears.
void EndRefusedTrace(InferenceRequest& request) {
  if (request.trace() == nullptr) return;
  if (!request.trace_begun()) {
    delete request.trace();
    return request.set_trace(nullptr);
  }
  const TraceHold trace(request.trace());
  request.EndTrace();
}

void SubmitTogether(const StepCalls& calls) {
  // From here on a request may end at any time; what is needed afterwards is kept here.
  std::vector<std::shared_ptr<InferenceRequest>> requests;
  for (const auto& call : calls) requests.push_back(call->request);
  std::vector<bool> done(calls.size(), false);
  std::vector<size_t> members;
  std::vector<InferenceRequest*> group;
  std::vector<Status> outcomes;
  for (size_t first = 0; first < calls.size(); ++first) {
    if (done[first]) continue;
    const std::shared_ptr<InferenceTarget> target = requests[first]->target();
    members.clear();
    group.clear();
    for (size_t i = first; i < calls.size(); ++i) {
      if (done[i] || requests[i]->target() != target) continue;
      done[i] = true;
      members.push_back(i);
      group.push_back(requests[i].get());
    }
    outcomes.assign(group.size(), Status::Ok());
    for (const size_t member : members) SpawnTrace(calls[member]->run(), *requests[member]);
    target->Submit(group, outcomes);
    for (size_t i = 0; i < members.size(); ++i) {
      const std::shared_ptr<StepCall>& call = calls[members[i]];
      if (!outcomes[i].ok()) EndRefusedTrace(*requests[members[i]]);
      call->run().OnSubmitted(call, outcomes[i]);
    }
  }
}

// What is left of the deadline of `request`, in microseconds, 1 when nothing is; 0: it has none.
uint64_t DeadlineLeft(const InferenceRequest& request, uint64_t now_ns) {
  if (request.deadline_us == 0) return 0;
  const uint64_t gone_us = (now_ns - std::min(now_ns, request.start_ns())) / 1000;
  return std::max<uint64_t>(1, request.deadline_us - std::min(request.deadline_us, gone_us));
}

}  // namespace

void SubmitSteps(StepCalls calls) {
  thread_local std::deque<StepCalls>* line = nullptr;
  if (calls.empty()) return;
  if (line != nullptr) {
    line->push_back(std::move(calls));
    return;
  }
  struct Line : std::deque<StepCalls> {
    Line() { line = this; }
    ~Line() { line = nullptr; }
  } mine;
  mine.push_back(std::move(calls));
  for (; !mine.empty(); mine.pop_front()) SubmitTogether(mine.front());
}

Result<std::shared_ptr<StepCall>> StepCall::Make(std::shared_ptr<EnsembleRun> run,
                                                 const EnsembleFlow::Ready& ready) {
  std::shared_ptr<StepCall> call(new StepCall(std::move(run), ready));
  const Status status = call->Fill(ready.inputs);
  if (status.ok()) return call;
  call->Abandon();
  return status;
}

Status StepCall::Fill(const std::vector<EnsembleValue>& inputs) {
  const EnsemblePlan::Step& step = run_->plan().steps()[step_];
  const InferenceRequest& parent = run_->request();
  request = std::make_shared<InferenceRequest>(run_->TargetOf(step_), -1);
  const ModelSignature& model = request->target()->signature();
  (void)request->Claim();
  request->id = parent.id;
  request->priority = parent.priority;
  request->timeout_us = parent.timeout_us;
  request->deadline_us = DeadlineLeft(parent, run_->Now());
  request->context = parent.context;
  request->parameters = parent.parameters;
  request->compute_totals = run_->compute_totals();
  request->sink = shared_from_this();
  request->on_release = [call = shared_from_this()](InferenceRequest*, uint32_t) {
    const std::shared_ptr<StepCall> self = call;  // the request, and this with it, may go
    self->run_->OnReleased(self);
  };
  place_ = {parent.correlation_id, parent.flags};
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    const std::string& name = step.inputs[i].name;
    const auto index = ModelSignature::Find(model.inputs, name);
    if (!index) {
      return InvalidArg(request->LogPrefix(), "model '", model.name, "' has no input '", name, "'");
    }
    TRIDENT_RETURN_IF_ERROR(
        AddAsInput(inputs[i], model.inputs[*index], model.batching(), request.get()));
    if (inputs[i]->place && !place_from_step_) {
      place_ = *inputs[i]->place;
      place_from_step_ = true;
    }
  }
  request->correlation_id = place_.id;
  request->flags = place_.flags;
  for (const EnsemblePlan::Port& port : step.outputs) {
    if (!run_->Wants(port.tensor)) continue;
    TRIDENT_RETURN_IF_ERROR(request->AddRequestedOutput(port.name));
  }
  TRIDENT_RETURN_IF_ERROR(request->Prepare());
  batch_size_ = model.batching() ? request->batch_size() : 0;
  return Status::Ok();
}

void StepCall::Abandon() {
  request->Unclaim();
  request = nullptr;
}

Result<std::vector<EnsembleValue>> StepCall::Read(InferenceResponse& response) const {
  TRIDENT_RETURN_IF_ERROR(response.status());
  TRIDENT_ASSIGN_OR_RETURN(const std::optional<SequencePlace> said,
                           ReadPlace(response.parameters(), place_));
  const EnsemblePlan::Step& step = run_->plan().steps()[step_];
  std::vector<EnsembleValue> values;
  for (const EnsemblePlan::Port& port : step.outputs) {
    values.push_back(nullptr);
    const OutputTensor* output = response.FindOutput(port.name);
    if (output == nullptr || !run_->Wants(port.tensor)) continue;
    auto tensor = std::make_shared<EnsembleTensor>();
    tensor->datatype = output->datatype();
    tensor->shape = output->shape();
    tensor->batch_size = batch_size_;
    if (output->has_buffer()) {
      tensor->memory = *static_cast<const MemoryNote*>(output->buffer().sink_data);
      tensor->byte_size = output->buffer().attributes.byte_size;
    }
    tensor->place = said;
    if (!said && place_from_step_) tensor->place = place_;
    values.back() = std::move(tensor);
  }
  return values;
}

std::optional<size_t> StepCall::TensorOf(const char* output_name) const {
  for (const EnsemblePlan::Port& port : run_->plan().steps()[step_].outputs) {
    if (port.name == output_name && run_->Wants(port.tensor)) return port.tensor;
  }
  return std::nullopt;
}

Status StepCall::StartResponse() { return run_->OnStepStartsResponse(step_); }

Status StepCall::Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) {
  std::shared_ptr<TensorMemory> memory;
  const std::optional<size_t> tensor = TensorOf(output_name);
  if (tensor && run_->IsClients(*tensor)) {
    OutputBuffer clients = *buffer;
    const std::string& name = run_->plan().tensors()[*tensor].name;
    TRIDENT_RETURN_IF_ERROR(run_->client().Allocate(name.c_str(), byte_size, &clients));
    memory = std::make_shared<TensorMemory>(run_->client_pointer(), clients);
  } else {
    const auto pools = run_->TargetOf(step_)->memory_pools();
    TRIDENT_ASSIGN_OR_RETURN(OwnedBuffer own, AllocateBuffer(byte_size, buffer->attributes, pools));
    memory = std::make_shared<TensorMemory>(std::move(own));
  }
  buffer->data = memory->buffer().data;
  buffer->attributes = memory->buffer().attributes;
  buffer->sink_data = new MemoryNote(std::move(memory));
  return Status::Ok();
}

void StepCall::Free(const OutputBuffer& buffer) {
  delete static_cast<MemoryNote*>(buffer.sink_data);
}

Status StepCall::Query(const char* output_name, uint64_t* byte_size, BufferAttributes* attributes) {
  const std::optional<size_t> tensor =
      output_name == nullptr ? std::nullopt : TensorOf(output_name);
  if (tensor && run_->IsClients(*tensor)) {
    return run_->client().Query(run_->plan().tensors()[*tensor].name.c_str(), byte_size,
                                attributes);
  }
  // As it wishes, as far as there is such memory.
  if (attributes->memory_type != MemoryType::kGpu || !CheckBuffer(nullptr, *attributes).ok()) {
    attributes->memory_type = MemoryType::kCpu;
    attributes->memory_type_id = 0;
  }
  return Status::Ok();
}

void StepCall::Deliver(ResponsePtr response, uint32_t flags) {
  run_->OnResponse(shared_from_this(), std::move(response), (flags & kResponseFinal) != 0);
}

}  // namespace trident
