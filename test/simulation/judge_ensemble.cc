#include "judge_ensemble.h"

#include <cstring>

namespace trident::simulation {

void EnsembleJudge::Submitted(Submission& submission, const Status& outcome) {
  if (world_.preemptive()) return;
  world_.Require(
      outcome.ok() != stopped_, "request ", submission.number,
      " to an ensemble ended its submission with: ", outcome.ok() ? "OK" : outcome.message());
}

void EnsembleJudge::CoreAnswered(Submission& submission, const InferenceResponse* response,
                                 const Status& status) {
  if (!status.ok()) {
    world_.Require(rules_.steps_may_fail || submission.cancel_called || submission.refuses_memory,
                   "request ", submission.number,
                   " failed although no step did: ", status.message());
    world_.Require(status.code() != StatusCode::kCancelled || submission.cancel_called, "request ",
                   submission.number, " was cancelled by nobody: ", status.message());
    return;
  }
  world_.Require(response != nullptr || rules_.streams, "request ", submission.number,
                 " ended without a response");
  if (response == nullptr) return;
  const auto expected = rules_.outputs(submission.ask.value);
  world_.Require(response->outputs().size() == expected.size(), "request ", submission.number,
                 " got ", response->outputs().size(), " outputs of ", expected.size());
  for (const auto& output : response->outputs()) {
    float value = 0;
    memcpy(&value, output->buffer().data, sizeof(value));
    const auto found = expected.find(output->name());
    world_.Require(found != expected.end() && found->second == value, "request ", submission.number,
                   " got the value ", value, " as '", output->name(), "'");
  }
}

}  // namespace trident::simulation
