#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/model_identity.h"

namespace trident {

// Something that happened to one version of a model.
struct ModelEvent {
  // Values equal TRITONSERVER_TridentModelState.
  enum class Kind : int { kLoading = 0, kReady, kUnavailable, kUnloading, kUnloaded };
  ModelIdentity model;
  int64_t version = -1;  // -1: the model as a whole
  Kind kind = Kind::kLoading;
  std::string reason;
  // Of the models that one operation loads: those whose load has ended, and all. Zero otherwise.
  uint32_t completed = 0;
  uint32_t total = 0;
};

// Hears of every change of a model's state, in order, one call at a time, on whatever thread made
// the change or tells of another's; no lock is held.
using ModelEventListener = std::function<void(const ModelEvent& event)>;

}  // namespace trident
