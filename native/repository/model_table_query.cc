// What can be asked of the table; its changes are in model_table.cc.

#include <algorithm>

#include "repository/model_table.h"

namespace trident {

DependencyGraph::Nodes ModelTable::Nodes() const {
  DependencyGraph::Nodes nodes;
  for (const auto& [model, entry] : entries_) {
    if (entry.plan != nullptr) nodes[model] = StepsOf(*entry.plan);
  }
  return nodes;
}

ModelSet ModelTable::AskedFor() const {
  ModelSet models;
  for (const auto& [model, entry] : entries_) {
    if (entry.asked_for) models.insert(model);
  }
  return models;
}

std::map<ModelIdentity, ServedModel> ModelTable::Served() const {
  std::map<ModelIdentity, ServedModel> out;
  for (const auto& [model, entry] : entries_) {
    ServedModel& served = out[model];
    served.load = entry.load;
    for (const auto& [number, version] : entry.versions) {
      if (version.state == ModelState::kReady) served.ready_versions.insert(number);
    }
  }
  return out;
}

std::map<ModelIdentity, ModelKnown> ModelTable::Known() const {
  std::map<ModelIdentity, ModelKnown> out;
  for (const auto& [model, entry] : entries_) {
    if (entry.provided()) continue;
    out[model] = {entry.plan != nullptr || entry.tried.has_value(), entry.tried};
  }
  return out;
}

std::set<std::string> ModelTable::Provided() const {
  std::set<std::string> names;
  for (const auto& [model, entry] : entries_) {
    if (entry.provided()) names.insert(model.name);
  }
  return names;
}

Result<std::shared_ptr<Model>> ModelTable::Find(const ModelIdentity& model, int64_t version) const {
  const std::string prefix = "Request for unknown model: '" + model.Text() + "' ";
  const Entry* const entry = Get(model);
  if (entry == nullptr) return NotFound(prefix, "is not found");
  if (version != -1) {
    const auto found = entry->versions.find(version);
    if (found == entry->versions.end()) {
      return NotFound(prefix, "version ", version, " is not found");
    }
    if (found->second.state != ModelState::kReady) {
      return Unavailable(prefix, "version ", version, " is not at ready state");
    }
    return found->second.model;
  }
  for (auto it = entry->versions.rbegin(); it != entry->versions.rend(); ++it) {
    if (it->second.state == ModelState::kReady) return it->second.model;
  }
  return NotFound(prefix, "has no available versions");
}

std::vector<IndexRow> ModelTable::Index(std::map<ModelIdentity, int> on_disk,
                                        bool ready_only) const {
  for (const auto& [model, entry] : entries_) {
    // What has left disk and service is no model any more.
    const bool there = entry.plan != nullptr || entry.retiring > 0 || entry.tried.has_value();
    if (there) on_disk.emplace(model, 1);
  }
  std::vector<IndexRow> rows;
  for (const auto& [model, copies] : on_disk) {
    const Entry* const entry = Get(model);
    if (copies > 1) {
      if (ready_only) continue;
      rows.push_back({model, false, -1, ModelState::kUnavailable,
                      "model appears in two or more repositories"});
    } else if (entry == nullptr || entry->versions.empty()) {
      if (!ready_only) rows.push_back({model, true});
    } else {
      for (const auto& [number, version] : entry->versions) {
        const bool ready = version.state == ModelState::kReady;
        const Status health = ready ? version.model->Health() : Status::Ok();
        if (ready_only && (!ready || !health.ok())) continue;
        if (!health.ok()) {
          rows.push_back({model, false, number, ModelState::kUnavailable, health.message()});
          continue;
        }
        const bool on_its_way =
            version.state == ModelState::kUnloading && version.reason == kUnloaded;
        rows.push_back({model, false, number, version.state, on_its_way ? "" : version.reason});
      }
    }
  }
  return rows;
}

bool ModelTable::AllReady() const {
  for (const auto& [model, entry] : entries_) {
    for (const auto& [number, version] : entry.versions) {
      if (version.state != ModelState::kReady && version.reason != kUnloaded) return false;
    }
  }
  return true;
}

}  // namespace trident
