#pragma once

#include <memory>
#include <vector>

#include "config/model_config.h"
#include "scheduler/scheduler.h"
#include "submission.h"
#include "world.h"

namespace trident::simulation {

// How the backends of a model behave: probabilities per execution or request.
struct BackendHabits {
  double mean_execution_ns = 1e6;
  double slow = 0;             // an execution takes 20 times the mean
  double fails = 0;            // an execution fails as a whole
  double request_fails = 0;    // a request is answered with an error
  double abandons = 0;         // a request is released without a final response
  double keeps = 0;            // a request is answered and released after the execution
  double early_release = 0;    // a request is released before it is answered
  double repeats_final = 0;    // a final response is sent twice
  double heeds_cancel = 0;     // a cancelled request ends as CANCELLED
  uint64_t max_responses = 1;  // decoupled models send 0..n
  double reschedules = 0;      // iterative models want a request again
};

// The value that a model without state gives back.
inline float ValueOf(float in, float more) { return in * 2 + more + 1; }

// A backend's part of an instance: runs a batch as its habits say. Externally synchronised by its
// world.
class Backend {
 public:
  Backend(World& world, const ModelSignature& signature, const ModelConfig& config,
          const BackendHabits& habits)
      : world_(world), signature_(signature), config_(config), habits_(habits) {}

  // Takes the requests of `batch`; when the execution ends.
  uint64_t Begin(Batch* batch, int64_t instance);
  void End();

 private:
  void Finish(RequestPtr request);
  // Gives it back to its client, or to the scheduler.
  static void Release(RequestPtr request, uint32_t flags = kReleaseAll);
  void ReleaseEarly(RequestPtr request);
  float Compute(InferenceRequest& request);
  void Answer(InferenceRequest& request, bool final);
  void SendFinalFlag(InferenceRequest& request);
  void Stream(std::shared_ptr<RequestPtr> request, uint64_t responses);

  World& world_;
  const ModelSignature& signature_;
  const ModelConfig& config_;
  const BackendHabits habits_;
  std::vector<RequestPtr> running_;
};

}  // namespace trident::simulation
