#include "scheduler/ensemble_run.h"

namespace trident {

EnsembleShared::EnsembleShared(const ModelConfig& config, Clock& the_clock, FindStep find)
    : name(config.name),
      plan(config),
      max_inflight(config.ensemble_scheduling->max_inflight_requests),
      clock(the_clock),
      find_step(std::move(find)),
      slots_(plan.steps().size()) {}

bool EnsembleShared::TakeSlot(const std::shared_ptr<StepCall>& call) {
  if (max_inflight == 0) return true;
  Slots& slots = slots_[call->step()];
  if (slots.taken < max_inflight) {
    ++slots.taken;
    return true;
  }
  call->ticket = next_ticket_++;
  slots.line.emplace(*call->ticket, call);
  return false;
}

void EnsembleShared::GiveSlotBack(size_t step, StepCalls* submit) {
  if (max_inflight == 0) return;
  Slots& slots = slots_[step];
  if (slots.line.empty()) {
    --slots.taken;
    return;
  }
  const auto next = slots.line.begin();
  next->second->ticket.reset();
  submit->push_back(std::move(next->second));
  slots.line.erase(next);
}

void EnsembleShared::LeaveLine(StepCall* call) {
  slots_[call->step()].line.erase(*call->ticket);
  call->ticket.reset();
}

}  // namespace trident
