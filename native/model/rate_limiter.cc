#include "model/rate_limiter.h"

namespace trident {

Result<std::unique_ptr<ExecutionLimiter::Gate>> ExecutionLimiter::Register(
    const RateLimiter* config, int device) {
  MutexLock lock(mutex_);
  TRIDENT_ASSIGN_OR_RETURN(const size_t index, rule_.Add(RateRule::NeedsOf(config, device),
                                                         config == nullptr ? 1 : config->priority));
  std::unique_ptr<Gate> gate(new Gate(shared_from_this(), index));
  if (gates_.size() <= index) gates_.resize(index + 1);
  gates_[index] = gate.get();
  Admit();  // a limit may have risen
  return gate;
}

void ExecutionLimiter::Admit() {
  while (const auto next = rule_.Next()) {
    Gate* const gate = gates_[*next];
    gate->staged_ = false;
    gate->holds_ = true;
    gate->admitted_.NotifyOne();
  }
}

ExecutionLimiter::Gate::~Gate() {
  MutexLock lock(limiter_->mutex_);
  limiter_->gates_[index_] = nullptr;
  if (holds_) limiter_->rule_.Release(index_, false);
  limiter_->rule_.Remove(index_);
  limiter_->Admit();
}

bool ExecutionLimiter::Gate::Acquire() {
  MutexLock lock(limiter_->mutex_);
  if (!staged_ && !holds_) {
    limiter_->rule_.Stage(index_);
    staged_ = true;
    limiter_->Admit();
  }
  while (!holds_ && !give_up_) admitted_.Wait(limiter_->mutex_);
  give_up_ = false;
  if (holds_) return true;
  limiter_->rule_.Unstage(index_);
  staged_ = false;
  limiter_->Admit();  // it may have stood in the way
  return false;
}

void ExecutionLimiter::Gate::Release(bool executed, bool again) {
  MutexLock lock(limiter_->mutex_);
  holds_ = false;
  limiter_->rule_.Release(index_, executed);
  if (again) {
    limiter_->rule_.Stage(index_);
    staged_ = true;
  }
  limiter_->Admit();
}

void ExecutionLimiter::Gate::GiveUp() {
  MutexLock lock(limiter_->mutex_);
  give_up_ = true;
  admitted_.NotifyOne();
}

}  // namespace trident
