#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"
#include "model/model_identity.h"

namespace trident {

using ModelSet = std::set<ModelIdentity>;

// What a model is served with, as far as those who depend on it care.
struct ServedModel {
  std::set<int64_t> ready_versions;
  Status load;  // how its last load ended
};

// Which models need which, among those a repository is to serve. Only ensembles need others: the
// models of their steps. A step is looked for in the ensemble's own namespace first, and elsewhere
// if there is only one model of its name. Pure. Immutable after construction.
class DependencyGraph {
 public:
  // Steps of every model; none for what is no ensemble.
  using Nodes = std::map<ModelIdentity, std::vector<EnsembleStep>>;
  explicit DependencyGraph(const Nodes& nodes);

  bool Has(const ModelIdentity& model) const { return nodes_.count(model) > 0; }
  // Why a model can't be served whatever its steps do: a step that is not there or ambiguous, or a
  // circle.
  const Status& StatusOf(const ModelIdentity& model) const { return nodes_.at(model).status; }
  // The model a step means; null when there is none, or several.
  const ModelIdentity* Resolve(const ModelIdentity& ensemble, const std::string& step) const;
  const ModelSet& StepsOf(const ModelIdentity& model) const { return nodes_.at(model).upstream; }
  // With the versions its steps ask for: why `ensemble` can't be served now, its steps being as
  // `served` says.
  Status CheckSteps(const ModelIdentity& ensemble,
                    const std::map<ModelIdentity, ServedModel>& served) const;

  // All that need one of `models`, directly or not; without `models` themselves.
  ModelSet Dependents(const ModelSet& models) const;
  // `models` in order of loading: every model in a later group than all its steps among them. Those
  // of a circle come last.
  std::vector<ModelSet> LoadOrder(const ModelSet& models) const;
  // What goes when `models` are unloaded with their dependents: they, and the steps that nobody
  // else needs and nobody asked for by name (`asked_for`).
  ModelSet UnloadWith(const ModelSet& models, const ModelSet& asked_for) const;

 private:
  struct Node {
    std::vector<EnsembleStep> steps;
    ModelSet upstream;
    ModelSet downstream;
    Status status;
  };
  Status FindSteps(const ModelIdentity& model);
  // The way from a model back to itself, if there is one.
  std::vector<ModelIdentity> Circle(const ModelIdentity& start) const;

  std::map<ModelIdentity, Node> nodes_;
  std::map<std::string, std::vector<ModelIdentity>> by_name_;
};

}  // namespace trident
