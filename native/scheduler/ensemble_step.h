#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/ensemble_plan.h"
#include "scheduler/ensemble_tensor.h"

namespace trident {

class EnsembleRun;
class StepCall;
using StepCalls = std::vector<std::shared_ptr<StepCall>>;

// One request to a step's model, and the sink of its responses. It owns the request, which in turn
// keeps its sink: Drop breaks the circle. Methods of the sink are thread-safe; the request and
// the state of the call are guarded by the mutex of the ensemble's scheduler, once submitted.
class StepCall : public ResponseSink, public std::enable_shared_from_this<StepCall> {
 public:
  // A claimed and prepared request; or why the step's model can't take its inputs.
  static Result<std::shared_ptr<StepCall>> Make(std::shared_ptr<EnsembleRun> run,
                                                const EnsembleFlow::Ready& ready);

  EnsembleRun& run() const { return *run_; }
  size_t step() const { return step_; }
  uint64_t iteration() const { return iteration_; }

  // One value for each output of the step, or the response's error.
  Result<std::vector<EnsembleValue>> Read(InferenceResponse& response) const;
  // A call that was never submitted is of no more use.
  void Abandon();

  // ResponseSink
  Status StartResponse() override;
  Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) override;
  void Free(const OutputBuffer& buffer) override;
  Status Query(const char* output_name, uint64_t* byte_size, BufferAttributes* attributes) override;
  void Deliver(ResponsePtr response, uint32_t flags) override;

  // Null once the call is over.
  std::shared_ptr<InferenceRequest> request;
  bool submitted = false;
  bool answered = false;  // at least once
  bool final = false;
  bool released = false;
  std::optional<uint64_t> ticket;  // of its place in the line for a slot

 private:
  StepCall(std::shared_ptr<EnsembleRun> run, const EnsembleFlow::Ready& ready)
      : run_(std::move(run)), step_(ready.step), iteration_(ready.iteration) {}
  Status Fill(const std::vector<EnsembleValue>& inputs);
  // The tensor an output is mapped to, if anybody wants it.
  std::optional<size_t> TensorOf(const char* output_name) const;

  const std::shared_ptr<EnsembleRun> run_;
  const size_t step_;
  const uint64_t iteration_;
  uint32_t batch_size_ = 0;  // 0: the model's tensors have no batch dimension
  SequencePlace place_;
  bool place_from_step_ = false;
};

// Submits them, those for one model together. From within a submission they only join the line,
// which whoever is submitting works off: steps that end at once need no stack.
void SubmitSteps(StepCalls calls);

}  // namespace trident
