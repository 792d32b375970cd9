#pragma once

#include <vector>

#include "submission.h"
#include "world.h"

namespace trident::simulation {

// What a model promises its clients, checked from outside: told of all that happens, it ends the
// program when something must not. It never looks into a scheduler. Externally synchronised by its
// world.
class Judge : public Resident {
 public:
  virtual void InstanceAdded(size_t /*instance*/) {}
  virtual void InstanceRemoved(size_t /*instance*/) {}
  virtual void Stopped() {}
  virtual void Submitted(Submission&, const Status& /*outcome*/) {}
  // A batch as an instance got it, before it runs.
  virtual void Handed(size_t /*instance*/, const std::vector<RequestPtr>& /*batch*/) {}
  // A batch that its caller runs itself: nobody was told that its requests were submitted.
  virtual void HandedInline(size_t /*instance*/, const std::vector<RequestPtr>& /*batch*/) {}
  virtual void Finished(size_t /*instance*/) {}
  // The core itself answered: why it may.
  virtual void CoreAnswered(Submission&, const InferenceResponse* /*response*/, const Status&) {}
  // The backend is about to release it; Released follows from within.
  virtual void Releasing(Submission&, bool /*again*/) {}
  virtual void Released(Submission&) {}
  // Whether the core itself sends responses before the final one.
  virtual bool CoreStreams() const { return false; }
  // Whether a request that waits ends as soon as it is cancelled.
  virtual bool CancelEndsAtOnce() const { return true; }
  virtual void StateWritten(Submission&, float /*value*/) {}
  virtual void Delivered(Submission&, bool /*final*/) {}
};

}  // namespace trident::simulation
