#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "repository/repository.h"

namespace trident {

// One change of what a repository serves, from what is asked for to what became of it.
// Externally synchronised by the thread that makes it; `outcomes`, `touched` and `progress` by the
// repository's mutex while several threads load.
struct ModelRepository::Change {
  // What is asked for
  std::map<ModelIdentity, std::vector<Parameter>> loads;
  std::map<ModelIdentity, uint64_t> quiet_files;  // polls: the files as they were found at rest
  ModelSet unloads;
  bool by_request = false;       // unloads are what the host wants, not what the disk says
  bool with_steps = false;       // ensembles bring the models of their steps
  bool with_dependents = false;  // ensembles take along what only they need

  // What was found on disk
  // Not to be made twice: of what the host has given, or prepared by agents.
  std::map<ModelIdentity, std::shared_ptr<const ModelPlan>> made;
  std::map<ModelIdentity, std::shared_ptr<const ModelPlan>> plans;
  std::map<ModelIdentity, Status> failures;
  std::map<ModelIdentity, Status> refused;      // not to be loaded from where this change has them
  ModelSet missing;                             // of the failures: on no disk
  std::map<ModelIdentity, uint64_t> unchanged;  // with their files

  // What became of it
  ModelSet rewired;  // ensembles whose steps are other models than before
  ModelSet touched;  // came into service, or left it
  std::map<ModelIdentity, Status> outcomes;
  ModelEvent progress;

  bool Loads(const ModelIdentity& model) const { return plans.count(model) > 0; }
};

template <typename Map>
ModelSet KeysOf(const Map& map) {
  ModelSet keys;
  for (const auto& [key, value] : map) keys.insert(key);
  return keys;
}

inline void Add(const ModelSet& models, ModelSet* to) { to->insert(models.begin(), models.end()); }

// One model of a change while its versions load, on several threads.
struct ModelRepository::Job {
  Job(Change* change, std::shared_ptr<const ModelPlan> plan, std::vector<LoadedVersion> versions)
      : change(change),
        plan(std::move(plan)),
        versions(std::move(versions)),
        left(this->versions.size()) {}

  Change* const change;
  const std::shared_ptr<const ModelPlan> plan;
  std::vector<LoadedVersion> versions;
  std::atomic<size_t> left;
};

}  // namespace trident
