#include "service.h"

namespace trident::simulation {

void Service::Load() {
  const ModelConfig config = configs_();
  const std::shared_ptr<SimulatedModel> before = std::move(model_);
  model_ = SimulatedModel::Load(world_, config, habits_, judges_(config));
  models_.push_back(model_);
  const uint64_t instances = world_.random.Between(1, 4);
  for (uint64_t i = 0; i < instances; ++i) model_->AddInstance();
  if (client_ != nullptr) client_->Serve(model_);
  if (before != nullptr) before->Drain();
}

void Service::Attach(Client* client) {
  client_ = client;
  client_->Serve(model_);
}

void Service::Disturb(const Disturbances& disturbances) {
  const auto somewhen = [&] {
    return static_cast<uint64_t>(world_.random.Unit() * disturbances.span_ns);
  };
  for (uint64_t i = 0; i < disturbances.reloads; ++i) {
    world_.After(somewhen(), [this] { Load(); });
  }
  for (uint64_t i = 0; i < disturbances.instance_changes; ++i) {
    world_.After(somewhen(), [this] {
      if (world_.random.Chance(0.5)) {
        model_->AddInstance();
      } else {
        model_->RemoveSomeInstance();
      }
    });
  }
}

void Service::CheckOver() const {
  for (const auto& model : models_) model->CheckOver();
}

void Service::Serve(Client* client, const Disturbances& disturbances) {
  Attach(client);
  Disturb(disturbances);
  client->Start();
  world_.Run();
  Drain();
  world_.Run();
  client->CheckOver();
  CheckOver();
}

}  // namespace trident::simulation
