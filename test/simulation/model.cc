#include "model.h"

#include "config/json_format.h"
#include "config/validate.h"
#include "model/make_scheduler.h"
#include "model/supported.h"
#include "scheduler/ensemble_scheduler.h"

namespace trident::simulation {

// Instance ---------------------------------------------------------------------------------------

Instance::Instance(SimulatedModel& model, size_t index, Drive drive)
    : model_(model),
      world_(model.world()),
      index_(index),
      drive_(drive),
      backend_(
          std::make_unique<Backend>(world_, model.signature(), model.config(), model.habits())) {}

size_t Instance::AddTo(Scheduler& scheduler) {
  if (drive_ == Drive::kExecutors) waker_ = world_.executors().Add(this);
  const size_t added = scheduler.AddInstance(waker_);
  if (drive_ == Drive::kPoll) ended_ = true;
  if (drive_ == Drive::kTake || drive_ == Drive::kAwaitThenTry) {
    world_.threads.Start([this] { RunThread(); });
  }
  return added;
}

void Instance::EndService() {
  if (waker_ == nullptr || std::exchange(ending_, true)) return;
  world_.threads.Start([this] {
    world_.executors().Retire(waker_.get());
    RunThread();
  });
}

bool Instance::RunBatch(uint64_t* look_again_ns) {
  world_.RequireNoLock("an executor comes with a lock");
  Batch batch;
  if (!model_.scheduler().TakeOrLeave(index_, &batch, look_again_ns)) return false;
  Execute(&batch);
  Finished();
  return true;
}

void Instance::RunThread() {
  Batch batch;
  Scheduler& scheduler = model_.scheduler();
  uint64_t look_again = 0;
  for (;;) {
    if (drive_ != Drive::kAwaitThenTry) {
      if (!scheduler.Take(index_, &batch)) break;
    } else {
      if (!scheduler.Await(index_)) break;
      if (!scheduler.TryTake(index_, &batch, &look_again)) {
        // Somebody else got it; the next wait is for the next batch.
        if (world_.preemptive()) world_.threads.Yield();
        continue;
      }
    }
    Execute(&batch);
    Finished();
  }
  world_.Note("thread ends", static_cast<int64_t>(index_));
  ended_ = true;
}

void Instance::Execute(Batch* batch) {
  busy_ = true;
  model_.judge().Handed(index_, *batch);
  const uint64_t end_ns = backend_->Begin(batch, static_cast<int64_t>(index_));
  if (end_ns > world_.now()) world_.threads.SleepUntil(end_ns);
  backend_->End();
}

// Free from the moment the scheduler is told, even before it returns.
void Instance::Finished() {
  busy_ = false;
  model_.judge().Finished(index_);
  model_.scheduler().Finished(index_);
}

bool Instance::Poll() {
  if (drive_ != Drive::kPoll || busy_) return false;
  Batch batch;
  uint64_t look_again = kNever;
  if (!model_.scheduler().TryTake(index_, &batch, &look_again)) {
    if (look_again != kNever && look_again > world_.now() && look_again != asked_again_ns_) {
      asked_again_ns_ = look_again;
      world_.At(look_again, [] {});  // every event is followed by a poll
    }
    return false;
  }
  busy_ = true;
  model_.judge().Handed(index_, batch);
  const uint64_t end_ns = backend_->Begin(&batch, static_cast<int64_t>(index_));
  world_.At(end_ns, [this, model = model_.shared_from_this()] {
    backend_->End();
    Finished();
  });
  return true;
}

void Instance::RunInline(Batch batch) {
  busy_ = true;
  world_.Note("inline", static_cast<int64_t>(index_));
  model_.judge().HandedInline(index_, batch);
  const uint64_t end_ns = backend_->Begin(&batch, static_cast<int64_t>(index_));
  // The caller counts as a request of its own until the instance is free again.
  model_.RequestStarted();
  world_.At(end_ns, [this, model = model_.shared_from_this()] {
    backend_->End();
    Finished();
    model->RequestEnded();
  });
}

// Model ------------------------------------------------------------------------------------------

SimulatedModel::SimulatedModel(World& world, const ModelConfig& config, const BackendHabits& habits,
                               std::shared_ptr<Judge> judge)
    : world_(world), config_(config), habits_(habits), judge_(std::move(judge)) {}

void SimulatedModel::CheckConfig() const {
  world_.Describe([config = config_] { return "model " + ModelConfigToJson(config); });
  for (const Status& status :
       {Validate(config_), ValidateTensors(config_), CheckSupported(config_)}) {
    world_.Require(status.ok(), "the simulation made a bad model: ", status.message());
  }
}

std::shared_ptr<SimulatedModel> SimulatedModel::Load(World& world, const ModelConfig& config,
                                                     const BackendHabits& habits,
                                                     std::shared_ptr<Judge> judge) {
  std::shared_ptr<SimulatedModel> model(
      new SimulatedModel(world, config, habits, std::move(judge)));
  model->CheckConfig();
  model->signature_ = SignatureOf(config, 1);
  const SchedulerContext context = {model->signature_, world.clock, world.timer};
  auto scheduler = MakeScheduler(config, context, "");
  world.Require(scheduler.ok(), "a valid model has no scheduler: ", scheduler.status().message());
  model->scheduler_ = std::move(scheduler).value();
  world.Join(model.get());
  return model;
}

std::shared_ptr<SimulatedModel> SimulatedModel::LoadEnsemble(World& world,
                                                             const ModelConfig& config,
                                                             FindStep find_step,
                                                             std::shared_ptr<Judge> judge) {
  std::shared_ptr<SimulatedModel> model(new SimulatedModel(world, config, {}, std::move(judge)));
  model->CheckConfig();
  model->signature_ = SignatureOf(config, 1);
  const SchedulerContext context = {model->signature_, world.clock, world.timer};
  model->scheduler_ = std::make_unique<EnsembleScheduler>(config, context, std::move(find_step));
  world.Join(model.get());
  return model;
}

SimulatedModel::~SimulatedModel() { world_.Leave(this); }

void SimulatedModel::AddInstance() {
  if (std::exchange(adding_, true)) return;  // where threads interleave: one at a time
  using Drive = Instance::Drive;
  // With preemption a poll may come too early: only threads know when to come back.
  const Drive drive = world_.preemptive() ? world_.random.OneOf({Drive::kTake, Drive::kExecutors})
                                          : world_.random.OneOf({Drive::kTake, Drive::kAwaitThenTry,
                                                                 Drive::kExecutors, Drive::kPoll});
  const size_t index = instances_.size();
  world_.Note("add instance, driven by", static_cast<int64_t>(index), static_cast<int64_t>(drive));
  // Before the scheduler knows of it: from then on it may get work.
  judge_->InstanceAdded(index);
  instances_.push_back(std::make_unique<Instance>(*this, index, drive));
  world_.Require(instances_.back()->AddTo(*scheduler_) == index,
                 "an instance index was used again");
  instances_.back()->MarkAdded();
  if (finalized_) instances_.back()->EndService();
  adding_ = false;
}

void SimulatedModel::RemoveSomeInstance() {
  std::vector<size_t> active;
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (instances_[i]->added() && !instances_[i]->retired()) active.push_back(i);
  }
  if (active.size() < 2) return;
  const size_t index = active[world_.random.Below(active.size())];
  world_.Note("remove instance", static_cast<int64_t>(index));
  instances_[index]->Retire();
  judge_->InstanceRemoved(index);
  scheduler_->RemoveInstance(index);
  instances_[index]->EndService();
}

void SimulatedModel::Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) {
  std::vector<RequestPtr> submitted(requests.size());
  // A request may be answered, released and freed before Enqueue returns.
  std::vector<std::shared_ptr<ResponseSink>> sinks;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i]->Submit(world_.now());
    submitted[i].reset(requests[i]);
    sinks.push_back(requests[i]->sink);
  }
  scheduler_->Enqueue(submitted, outcomes);
  for (size_t i = 0; i < requests.size(); ++i) {
    world_.Require((submitted[i] == nullptr) == outcomes[i].ok(),
                   "a request was taken with an error, or left without one");
    if (submitted[i] != nullptr) submitted[i].release()->Withdraw();
    if (auto* submission = dynamic_cast<Submission*>(sinks[i].get())) {
      submission->OnSubmitted(outcomes[i]);
    }
  }
}

bool SimulatedModel::RunInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns) {
  InlineClaim claim;
  RequestStarted();
  const bool claimed = scheduler_->TakeInline(requests, budget_ns, &claim);
  if (claimed) {
    while (claim.instance >= instances_.size()) world_.threads.Yield();  // it is being added
    Batch batch;
    for (InferenceRequest* request : requests) {
      request->Submit(claim.taken_ns);
      Submission::Of(*request)->OnClaimed();
      batch.emplace_back(request);
    }
    instances_[claim.instance]->RunInline(std::move(batch));
  }
  RequestEnded();
  return claimed;
}

void SimulatedModel::RequestEnded() {
  world_.Require(--in_flight_ >= 0, "more requests have ended than began");
}

bool SimulatedModel::Reserve() {
  if (!accepting_) return false;
  ++reservations_;
  return true;
}

void SimulatedModel::Unreserve() {
  world_.Require(--reservations_ >= 0, "a model was given up more often than reserved");
}

void SimulatedModel::Drain() {
  world_.Note("drain", in_flight_);
  accepting_ = false;
  draining_ = true;
}

bool SimulatedModel::Step() {
  bool any = false;
  if (draining_ && !stopped_ && reservations_ == 0) {
    world_.Note("stop", in_flight_);
    stopped_ = any = true;
    judge_->Stopped();
    scheduler_->Stop();
  }
  if (stopped_ && in_flight_ == 0 && !adding_ && !std::exchange(finalized_, true)) {
    for (const auto& instance : instances_) instance->EndService();
    any = true;
  }
  for (size_t i = 0; i < instances_.size(); ++i) any = instances_[i]->Poll() || any;
  return any;
}

// Where instances wait for threads, judges can't say when something should have happened.
void SimulatedModel::InstantOver(uint64_t next_ns) {
  if (!world_.few_executors) judge_->InstantOver(next_ns);
}

void SimulatedModel::CheckOver() const {
  world_.Require(reservations_ == 0, "a model is still reserved after everything has ended");
  world_.Require(in_flight_ == 0, in_flight_, " requests are in flight after all have ended");
  world_.Require(stopped_, "a drained model was not stopped");
  for (const auto& instance : instances_) {
    world_.Require(instance->idle(), "an instance is busy after everything has ended");
    world_.Require(instance->ended(), "an instance's thread still waits for work");
  }
}

}  // namespace trident::simulation
