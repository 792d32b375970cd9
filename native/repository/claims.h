#pragma once

#include "base/mutex.h"
#include "repository/dependencies.h"

namespace trident {

// Who is changing which models: related changes take turns, others do not wait for each other. A
// change claims all it needs at once or waits with nothing, so two can never wait for each other.
// Thread-safe.
class ModelClaims {
 public:
  // From now on no claim succeeds, and those who wait for one are told.
  void Stop();

 private:
  friend class ModelClaim;
  bool Acquire(const ModelSet& models);
  void Release(const ModelSet& models);

  Mutex mutex_;
  CondVar released_;
  ModelSet claimed_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
};

// The models one change has claimed, until it ends. Externally synchronised by its change.
class ModelClaim {
 public:
  explicit ModelClaim(ModelClaims* claims) : claims_(claims) {}
  ~ModelClaim() { claims_->Release(models_); }
  ModelClaim(const ModelClaim&) = delete;
  ModelClaim& operator=(const ModelClaim&) = delete;

  // Lets go of everything and waits for `models`; what was read of them before may be stale. False,
  // holding nothing, when claims were stopped.
  bool Replace(const ModelSet& models);
  bool Covers(const ModelSet& models) const;

 private:
  ModelClaims* const claims_;
  ModelSet models_;
};

}  // namespace trident
