#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "model/model.h"

namespace trident {

// The models in service once more, for those who look at all of them: they wait for nobody who
// looks for one, nor the other way round. Thread-safe.
class ServedModels {
 public:
  // In place of what served this version of the model before.
  void Add(const std::shared_ptr<Model>& model);
  // By name and version; without those that are leaving service.
  std::vector<std::shared_ptr<Model>> All();

 private:
  using Key = std::pair<ModelIdentity, int64_t>;

  Mutex mutex_;
  std::map<Key, std::weak_ptr<Model>> models_ GUARDED_BY(mutex_);
  // The same side by side, which is quicker to read; empty after a change.
  std::vector<std::weak_ptr<Model>> in_order_ GUARDED_BY(mutex_);
};

}  // namespace trident
