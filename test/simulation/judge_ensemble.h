#pragma once

#include <functional>
#include <map>
#include <string>

#include "judge.h"

namespace trident::simulation {

// What an ensemble promises: the outputs are what its steps make of the inputs, and it fails only
// when a step does, or its client. Externally synchronised by its world.
class EnsembleJudge : public Judge {
 public:
  struct Rules {
    bool streams = false;
    bool steps_may_fail = false;
    // Every output, by the value of the input.
    std::function<std::map<std::string, float>(float)> outputs;
  };
  EnsembleJudge(World& world, Rules rules) : world_(world), rules_(std::move(rules)) {}

  void Stopped() override { stopped_ = true; }
  void Submitted(Submission& submission, const Status& outcome) override;
  void HandedInline(size_t, const std::vector<RequestPtr>&) override {
    Violation("an ensemble runs on its caller's thread");
  }
  void CoreAnswered(Submission& submission, const InferenceResponse* response,
                    const Status& status) override;
  bool CoreStreams() const override { return rules_.streams; }
  bool CancelEndsAtOnce() const override { return false; }

 private:
  World& world_;
  const Rules rules_;
  bool stopped_ = false;
};

}  // namespace trident::simulation
