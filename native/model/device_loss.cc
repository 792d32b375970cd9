// What becomes of a model when a device that instances of it are on is lost.

#include "model/model.h"

namespace trident {

void Model::BackendFailed() {
  // Those of its requests, too: an instance on the host copies tensors from and to devices.
  cuda::CheckDevices();
}

void Model::OnDeviceLost(const cuda::Device& /*device*/, const Status& /*why*/) {
  std::vector<LostInstance> lost;
  {
    MutexLock lock(mutex_);
    lost = TakeOutLost();
  }
  Lose(lost);
}

std::vector<Model::LostInstance> Model::TakeOutLost() {
  if (!on_devices_.load() || active_tables_.empty()) return {};
  const std::vector<ModelInstance*>& active = active_tables_.back();
  bool any_works = false;
  std::vector<LostInstance> lost;
  for (size_t i = 0; i < active.size(); ++i) {
    if (active[i] == nullptr || leaving_.count(i) > 0) continue;
    Status health = active[i]->Health();
    any_works = any_works || health.ok();
    if (!health.ok()) lost.push_back({i, std::move(health)});
  }
  if (any_works) {
    out_of_service_.store(nullptr);
    for (const LostInstance& one : lost) leaving_.insert(one.index);
    return lost;
  }
  if (!lost.empty()) {
    reasons_.push_back(lost.front().why);
    out_of_service_.store(&reasons_.back());
  }
  return {};
}

void Model::Lose(const std::vector<LostInstance>& lost) {
  for (const LostInstance& one : lost) scheduler_->LoseInstance(one.index, one.why);
}

Status Model::Health() const {
  const Status* const why = out_of_service_.load(std::memory_order_acquire);
  return why == nullptr ? Status::Ok() : *why;
}

}  // namespace trident
