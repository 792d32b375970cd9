#include "repository/claims.h"

#include <algorithm>

namespace trident {

void ModelClaims::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  released_.NotifyAll();
}

bool ModelClaims::Acquire(const ModelSet& models) {
  MutexLock lock(mutex_);
  const auto taken = [&](const ModelIdentity& model) { return claimed_.count(model) > 0; };
  while (!stopped_ && std::any_of(models.begin(), models.end(), taken)) released_.Wait(mutex_);
  if (stopped_) return false;
  claimed_.insert(models.begin(), models.end());
  return true;
}

void ModelClaims::Release(const ModelSet& models) {
  if (models.empty()) return;
  MutexLock lock(mutex_);
  for (const ModelIdentity& model : models) claimed_.erase(model);
  released_.NotifyAll();
}

bool ModelClaim::Replace(const ModelSet& models) {
  claims_->Release(models_);
  models_.clear();
  if (!claims_->Acquire(models)) return false;
  models_ = models;
  return true;
}

bool ModelClaim::Covers(const ModelSet& models) const {
  return std::includes(models_.begin(), models_.end(), models.begin(), models.end());
}

}  // namespace trident
