#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "client.h"
#include "model.h"

namespace trident::simulation {

// How a model is disturbed while it serves.
struct Disturbances {
  uint64_t reloads = 0;
  uint64_t instance_changes = 0;
  double span_ns = 0;  // all within this time from the start
};

// A model name: the version in service, those that drain, and the client. Externally synchronised
// by its world.
class Service {
 public:
  using JudgeMaker = std::function<std::shared_ptr<Judge>(const ModelConfig&)>;
  // `configs` is asked at every load: a reload may change the configuration.
  Service(World& world, std::function<ModelConfig()> configs, BackendHabits habits,
          JudgeMaker judges)
      : world_(world), configs_(std::move(configs)), habits_(habits), judges_(std::move(judges)) {}

  void Load();
  // From the client's first request until everything is at rest, and what must hold then.
  void Serve(Client* client, const Disturbances& disturbances);
  // Reloads and changes instances, at random times.
  void Disturb(const Disturbances& disturbances);
  void Drain() { model_->Drain(); }
  void CheckOver() const;
  SimulatedModel& model() { return *model_; }
  const std::shared_ptr<SimulatedModel>& shared_model() const { return model_; }

 private:
  void Attach(Client* client);

  World& world_;
  const std::function<ModelConfig()> configs_;
  const BackendHabits habits_;
  const JudgeMaker judges_;
  std::shared_ptr<SimulatedModel> model_;
  std::vector<std::shared_ptr<SimulatedModel>> models_;
  Client* client_ = nullptr;
};

}  // namespace trident::simulation
