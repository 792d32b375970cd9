#include "repository/served_models.h"

namespace trident {

void ServedModels::Add(const std::shared_ptr<Model>& model) {
  MutexLock lock(mutex_);
  models_.insert_or_assign({model->identity(), model->version()}, model);
  in_order_.clear();
}

std::vector<std::shared_ptr<Model>> ServedModels::All() {
  std::vector<std::shared_ptr<Model>> models;
  {
    MutexLock lock(mutex_);
    if (in_order_.empty()) {
      std::erase_if(models_, [](const auto& entry) { return entry.second.expired(); });
      for (const auto& [key, model] : models_) in_order_.push_back(model);
    }
    models.reserve(in_order_.size());
    for (const auto& model : in_order_) models.push_back(model.lock());
  }
  // Without the lock: this may be the last reference to one.
  std::erase_if(models, [](const auto& model) { return model == nullptr || !model->accepting(); });
  return models;
}

}  // namespace trident
