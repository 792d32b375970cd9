#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "scheduler/ensemble_plan.h"
#include "scheduler/ensemble_step.h"
#include "scheduler/scheduler.h"

namespace trident {

// The model of a step as a new request finds it.
using FindStep = std::function<Result<std::shared_ptr<InferenceTarget>>(size_t step)>;

// What all requests of an ensemble share. Outlives its scheduler while a thread is still on its way
// out of a request. Thread-safe.
struct EnsembleShared {
  EnsembleShared(const ModelConfig& config, Clock& clock, FindStep find_step);

  const std::string name;
  const EnsemblePlan plan;
  const uint32_t max_inflight;  // requests of one step; 0: any number
  Clock& clock;
  const FindStep find_step;

  // Guards the state of all requests, too.
  Mutex mutex;
  bool stopped GUARDED_BY(mutex) = false;
  std::unordered_map<const InferenceRequest*, std::shared_ptr<EnsembleRun>> runs GUARDED_BY(mutex);

  // The right of a step to have one more request out. A call without one waits in line; whoever
  // gives one back lets the next call go.
  bool TakeSlot(const std::shared_ptr<StepCall>& call) REQUIRES(mutex);
  void GiveSlotBack(size_t step, StepCalls* submit) REQUIRES(mutex);
  void LeaveLine(StepCall* call) REQUIRES(mutex);

 private:
  struct Slots {
    uint32_t taken = 0;
    std::map<uint64_t, std::shared_ptr<StepCall>> line;  // by ticket
  };
  std::vector<Slots> slots_ GUARDED_BY(mutex);
  uint64_t next_ticket_ GUARDED_BY(mutex) = 0;
};

/* One request to an ensemble, from its start until its client has it back.
 *
 * It ends once: when nothing holds it any more, that is when every step's request has had its final
 * response and has been released, and no thread works on what one of them brought. Only then does
 * the client get the final response, so that what steps read and write in the client's memory is
 * theirs till then. The first failure ends it early: nothing new is begun, what runs is cancelled.
 * Thread-safe. */
class EnsembleRun : public std::enable_shared_from_this<EnsembleRun> {
 public:
  EnsembleRun(std::shared_ptr<EnsembleShared> shared, RequestPtr request);

  // Reserves the models and hands in the client's inputs; `calls` are to be submitted.
  void Start(StepCalls* calls);
  void Cancel();

  // For the calls of its steps; valid while one is out.
  const EnsemblePlan& plan() const { return shared_->plan; }
  uint64_t Now() const { return shared_->clock.Now(); }
  const InferenceRequest& request() const { return *request_; }
  const std::shared_ptr<InferenceTarget>& TargetOf(size_t step) const { return targets_[step]; }
  const std::shared_ptr<ComputeTotals>& compute_totals() const { return totals_; }
  bool Wants(size_t tensor) const { return wanted_[tensor]; }
  // Whether the tensor is an output of the ensemble which its step writes to the client's memory.
  bool IsClients(size_t tensor) const { return in_place_[tensor]; }
  ResponseSink& client() const { return *client_; }
  const std::shared_ptr<ResponseSink>& client_pointer() const { return client_; }

  Status OnStepStartsResponse(size_t step);
  // `outcome`: whether its model took the request.
  void OnSubmitted(const std::shared_ptr<StepCall>& call, const Status& outcome);
  void OnResponse(const std::shared_ptr<StepCall>& call, ResponsePtr response, bool final);
  void OnReleased(const std::shared_ptr<StepCall>& call);

 private:
  // What a change of state asks for once the lock is gone. What ends with it ends without a lock.
  struct Effects {
    std::vector<EnsembleFlow::Ready> ready;
    StepCalls submit;
    std::vector<std::shared_ptr<InferenceRequest>> cancel;
    StepCalls abandoned;
    std::vector<std::shared_ptr<InferenceRequest>> over;
    std::vector<EnsembleValue> values;
  };

  Status ReserveSteps();
  void ChooseMemory();
  Status StartClientsResponse();
  void PutInputs() REQUIRES(shared_->mutex);

  // Each is part of an event, which holds the run (++holds_) until Perform has let it go.
  void Fail(const Status& status, Effects* effects) REQUIRES(shared_->mutex);
  void PutAnswer(StepCall* call, std::vector<EnsembleValue>* values, Effects* effects)
      REQUIRES(shared_->mutex);
  void TakeReady(Effects* effects) REQUIRES(shared_->mutex);
  void EndCall(const std::shared_ptr<StepCall>& call, Effects* effects) REQUIRES(shared_->mutex);
  void Perform(Effects effects, StepCalls* submit_later = nullptr);
  void BeginStep(const EnsembleFlow::Ready& ready, Effects* effects);
  void Respond(const EnsembleFlow::Ready& ready, Effects* effects);
  Result<ResponsePtr> MakeResponse(const EnsembleFlow::Ready& ready);

  // Sends what is due; ends the run when nothing holds it.
  void Flush();
  ResponsePtr NextResponse() REQUIRES(shared_->mutex);
  void Finish();

  const std::shared_ptr<EnsembleShared> shared_;
  const std::shared_ptr<ComputeTotals> totals_;
  const uint64_t compute_start_ns_;
  RequestPtr request_;  // the client's
  const std::shared_ptr<ResponseSink> client_;
  const bool streams_;

  // Set by Start, before the first call.
  std::vector<size_t> outputs_;                            // tensors asked for
  std::vector<std::shared_ptr<InferenceTarget>> targets_;  // by step; null where not needed
  std::vector<std::shared_ptr<InferenceTarget>> reserved_;
  std::vector<bool> wanted_;    // by tensor
  std::vector<bool> in_place_;  // by tensor
  bool response_started_ = false;

  std::optional<EnsembleFlow> flow_ GUARDED_BY(shared_->mutex);
  Status status_ GUARDED_BY(shared_->mutex);
  size_t holds_ GUARDED_BY(shared_->mutex) = 1;  // Start
  // What may still bring a response: steps about to begin, in line or out.
  size_t open_ GUARDED_BY(shared_->mutex) = 0;
  StepCalls calls_ GUARDED_BY(shared_->mutex);  // as they began, in whose order they are cancelled
  // By iteration, in whose order they are sent.
  std::map<uint64_t, ResponsePtr> outbox_ GUARDED_BY(shared_->mutex);
  // Of a run that failed; kept to the end, as steps may still read the client's memory in them.
  std::vector<ResponsePtr> discarded_ GUARDED_BY(shared_->mutex);
  uint64_t next_iteration_ GUARDED_BY(shared_->mutex) = 0;
  bool sending_ GUARDED_BY(shared_->mutex) = false;
  bool ended_ GUARDED_BY(shared_->mutex) = false;
};

}  // namespace trident
