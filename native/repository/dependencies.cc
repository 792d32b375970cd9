#include "repository/dependencies.h"

#include <algorithm>
#include <deque>

namespace trident {

DependencyGraph::DependencyGraph(const Nodes& nodes) {
  for (const auto& [model, steps] : nodes) {
    nodes_[model].steps = steps;
    by_name_[model.name].push_back(model);
  }
  for (auto& [model, node] : nodes_) node.status = FindSteps(model);
  for (auto& [model, node] : nodes_) {
    if (!node.status.ok() || node.upstream.empty()) continue;
    const std::vector<ModelIdentity> circle = Circle(model);
    if (circle.empty()) continue;
    std::string way;
    for (const ModelIdentity& one : circle) way += one.Text() + " -> ";
    node.status = InvalidArg("circular dependency between ensembles: ", way, circle.front().Text());
  }
}

const ModelIdentity* DependencyGraph::Resolve(const ModelIdentity& ensemble,
                                              const std::string& step) const {
  const auto own = nodes_.find({ensemble.space, step});
  if (own != nodes_.end()) return &own->first;
  const auto named = by_name_.find(step);
  return named != by_name_.end() && named->second.size() == 1 ? &named->second.front() : nullptr;
}

Status DependencyGraph::FindSteps(const ModelIdentity& model) {
  Node& node = nodes_.at(model);
  std::set<std::string> missing;
  for (const EnsembleStep& step : node.steps) {
    const ModelIdentity* const found = Resolve(model, step.model_name);
    if (found == nullptr) {
      missing.insert(step.model_name);
      continue;
    }
    node.upstream.insert(*found);
    nodes_.at(*found).downstream.insert(model);
  }
  if (missing.empty()) return Status::Ok();
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
  return InvalidArg("ensemble ", model.Text(),
                    " contains models that are not available or ambiguous: ", names);
}

std::vector<ModelIdentity> DependencyGraph::Circle(const ModelIdentity& start) const {
  // Breadth first, so the shortest; no recursion, as configurations are input.
  std::map<ModelIdentity, ModelIdentity> from;
  std::deque<ModelIdentity> next = {start};
  while (!next.empty()) {
    const ModelIdentity current = next.front();
    next.pop_front();
    for (const ModelIdentity& step : nodes_.at(current).upstream) {
      if (step == start) {
        std::vector<ModelIdentity> way = {current};
        while (way.back() != start) way.push_back(from.at(way.back()));
        std::reverse(way.begin(), way.end());
        return way;
      }
      if (from.emplace(step, current).second) next.push_back(step);
    }
  }
  return {};
}

Status DependencyGraph::CheckSteps(const ModelIdentity& ensemble,
                                   const std::map<ModelIdentity, ServedModel>& served) const {
  TRIDENT_RETURN_IF_ERROR(StatusOf(ensemble));
  for (const EnsembleStep& step : nodes_.at(ensemble).steps) {
    const ModelIdentity& model = *Resolve(ensemble, step.model_name);
    const std::string depends =
        StrCat("ensemble '", ensemble.Text(), "' depends on '", model.Text(), "' ");
    if (!StatusOf(model).ok()) {
      return InvalidArg(depends, "which is not valid. Model '", model.Text(),
                        "' failed with error: ", StatusOf(model).message());
    }
    const auto found = served.find(model);
    if (found == served.end() || found->second.ready_versions.empty()) {
      const bool failed = found != served.end() && !found->second.load.ok();
      return InvalidArg(depends, "which has no loaded version.",
                        failed
                            ? StrCat(" Model '", model.Text(),
                                     "' loading failed with error: ", found->second.load.message())
                            : "");
    }
    if (step.model_version != -1 && found->second.ready_versions.count(step.model_version) == 0) {
      return InvalidArg(depends, "whose required version ", step.model_version, " is not loaded.");
    }
  }
  return Status::Ok();
}

ModelSet DependencyGraph::Dependents(const ModelSet& models) const {
  ModelSet out;
  std::vector<ModelIdentity> next(models.begin(), models.end());
  while (!next.empty()) {
    const auto node = nodes_.find(next.back());
    next.pop_back();
    if (node == nodes_.end()) continue;
    for (const ModelIdentity& dependent : node->second.downstream) {
      if (models.count(dependent) == 0 && out.insert(dependent).second) next.push_back(dependent);
    }
  }
  return out;
}

std::vector<ModelSet> DependencyGraph::LoadOrder(const ModelSet& models) const {
  std::vector<ModelSet> groups;
  ModelSet left = models;
  while (!left.empty()) {
    ModelSet group;
    for (const ModelIdentity& model : left) {
      const ModelSet& steps = nodes_.at(model).upstream;
      const bool waits = std::any_of(steps.begin(), steps.end(),
                                     [&](const ModelIdentity& step) { return left.count(step); });
      if (!waits) group.insert(model);
    }
    if (group.empty()) group = left;
    for (const ModelIdentity& model : group) left.erase(model);
    groups.push_back(std::move(group));
  }
  return groups;
}

ModelSet DependencyGraph::UnloadWith(const ModelSet& models, const ModelSet& asked_for) const {
  ModelSet gone;
  std::vector<ModelIdentity> next(models.begin(), models.end());
  while (!next.empty()) {
    const ModelIdentity model = next.back();
    next.pop_back();
    if (!gone.insert(model).second) continue;
    const auto node = nodes_.find(model);
    if (node == nodes_.end()) continue;
    for (const ModelIdentity& step : node->second.upstream) {
      const ModelSet& users = nodes_.at(step).downstream;
      const bool needed = std::any_of(users.begin(), users.end(), [&](const ModelIdentity& user) {
        return gone.count(user) == 0;
      });
      if (!needed && asked_for.count(step) == 0) next.push_back(step);
    }
  }
  return gone;
}

}  // namespace trident
