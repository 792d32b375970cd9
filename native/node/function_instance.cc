#include "node/function_instance.h"

#include <utility>

#include "node/function_execution.h"
#include "node/function_registry.h"
#include "node/triton_util.h"

namespace trident {

Status FunctionInstance::Start(std::string description) {
  if (!server_->home->Post(InstanceWanted{server_->id, number_, std::move(description)})) {
    return Unavailable("the environment of the server has ended");
  }
  MutexLock lock(mutex_);
  while (state_ == State::kStarting) changed_.Wait(mutex_);
  return started_;
}

Status FunctionInstance::Execute(TRITONBACKEND_Request** requests, uint32_t count) {
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_TridentModelInstanceDeferExecution(handle_)));
  Batch batch(requests, requests + count);
  std::shared_ptr<FunctionHome> home;
  Status refusal;
  {
    MutexLock lock(mutex_);
    home = home_;
    refusal = refusal_;
    if (home == nullptr && refusal.ok()) {
      if (!server_->home->stands_still()) {
        held_ = std::move(batch);
        return Status::Ok();
      }
      refusal = NobodyStartsIt();
    }
  }
  if (home != nullptr) {
    Run(batch, home);
  } else {
    Refuse(batch, refusal);
  }
  return Status::Ok();
}

void FunctionInstance::Run(const Batch& batch, const std::shared_ptr<FunctionHome>& home) {
  auto execution = std::make_shared<FunctionExecution>(shared_from_this(), home, settings());
  execution->Own(batch);
  {
    MutexLock lock(mutex_);
    if (home_ == home) execution_ = execution;
  }
  if (!home->Post(execution)) {
    execution->Abandon(Unavailable("model '", model_->name, "': the thread of its function ends"));
  }
}

void FunctionInstance::Refuse(const Batch& batch, const Status& why) {
  if (batch.empty()) return;
  const auto execution =
      std::make_shared<FunctionExecution>(shared_from_this(), /*home=*/nullptr, settings());
  execution->Own(batch);
  execution->Abandon(why);
}

void FunctionInstance::RefuseHeld() {
  Batch held;
  {
    MutexLock lock(mutex_);
    held.swap(held_);
  }
  Refuse(held, NobodyStartsIt());
}

Status FunctionInstance::NobodyStartsIt() const {
  return Unavailable("model '", model_->name,
                     "': its function has ended, and the thread that would start it anew waits in "
                     "inferSync");
}

void FunctionInstance::Free(bool succeeded) {
  MutexLock lock(mutex_);
  execution_.reset();
  succeeded_ |= succeeded;
}

bool FunctionInstance::TakeSuccess() {
  MutexLock lock(mutex_);
  return std::exchange(succeeded_, false);
}

void FunctionInstance::Finalize() {
  {
    MutexLock lock(mutex_);
    if (state_ == State::kServing && home_->Post(InstanceOver{number_})) {
      // On that very thread nobody could answer.
      while (state_ == State::kServing && !home_->IsThisThread()) changed_.Wait(mutex_);
    }
    // Whoever was to find it a home need not any more.
    if (state_ == State::kHomeless) server_->home->Post(InstanceOver{number_});
    state_ = State::kEnded;
    home_.reset();
  }
  FunctionRegistry::Get().Remove(number_);
}

void FunctionInstance::Set(FunctionSettings settings) {
  MutexLock lock(mutex_);
  settings_ = std::move(settings);
}

FunctionSettings FunctionInstance::settings() const {
  MutexLock lock(mutex_);
  return settings_;
}

void FunctionInstance::Ready(const std::shared_ptr<FunctionHome>& home) {
  FunctionRegistry::Get().Settle(*this, home.get());
  Batch held;
  {
    MutexLock lock(mutex_);
    if (state_ == State::kEnded) return;
    home_ = home;
    state_ = State::kServing;
    refusal_ = Status::Ok();
    held.swap(held_);
    changed_.NotifyAll();
  }
  if (!held.empty()) Run(held, home);
}

void FunctionInstance::Fail(Status status) {
  Batch held;
  {
    MutexLock lock(mutex_);
    held.swap(held_);
    if (state_ == State::kHomeless) refusal_ = status;
    if (state_ == State::kStarting) {
      started_ = status;
      state_ = State::kEnded;
      changed_.NotifyAll();
    }
  }
  Refuse(held, status);
}

void FunctionInstance::Finalized() {
  MutexLock lock(mutex_);
  if (state_ != State::kServing) return;
  state_ = State::kEnded;
  changed_.NotifyAll();
}

void FunctionInstance::Leave(const FunctionHome& home, const std::string& why) {
  const bool server_leaves = server_->home.get() == &home;
  bool ran_here = false;
  std::shared_ptr<FunctionExecution> execution;
  {
    MutexLock lock(mutex_);
    // Elsewhere its execution goes on, but has its answer: who waits for it may end now, too.
    if (server_leaves) execution = execution_;
    if (state_ == State::kServing && home_.get() == &home) {
      ran_here = true;
      state_ = State::kHomeless;
      home_.reset();
      execution = execution_;
      changed_.NotifyAll();
    }
  }
  if (execution != nullptr) {
    execution->Abandon(Unavailable(
        "model '", model_->name, "': the ",
        ran_here ? "thread of its function" : "environment of the server", " has ended: ", why));
  }
  if (server_leaves ||
      (ran_here && !server_->home->Post(InstanceLost{server_->id, number_, why}))) {
    Fail(Unavailable("the environment of the server has ended"));
  }
}

}  // namespace trident
