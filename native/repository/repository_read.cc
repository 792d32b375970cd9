// What a change finds on disk.

#include "repository/change.h"

namespace trident {

void ModelRepository::Read(Change* change) {
  change->plans.clear();
  change->failures.clear();
  change->refused.clear();
  change->unchanged.clear();
  change->missing.clear();
  ModelSet seen;
  ModelSet next = KeysOf(change->loads);
  while (!next.empty()) {
    const ModelIdentity model = *next.begin();
    next.erase(next.begin());
    if (!seen.insert(model).second) continue;
    if (change->loads.count(model) == 0 && StaysAsStep(model)) continue;
    const std::shared_ptr<const ModelPlan> plan = ReadOne(change, model);
    if (plan == nullptr || !change->with_steps) continue;
    for (const EnsembleStep& step : StepsOf(*plan)) {
      ModelSet meant = locations_.Named(step.model_name);
      Add(KnownAs(step.model_name), &meant);
      const ModelIdentity own{model.space, step.model_name};
      if (meant.count(own) > 0) meant = {own};
      if (meant.size() == 1) next.insert(*meant.begin());
    }
  }
}

// A step in service from load parameters, or whose files are gone, is left as it is; one that is
// nowhere is for the dependency check to report.
bool ModelRepository::StaysAsStep(const ModelIdentity& model) const {
  const bool on_disk = locations_.Find(model).ok();
  MutexLock lock(mutex_);
  const ModelTable::Entry* const entry = table_.Get(model);
  const bool overridden = entry != nullptr && entry->plan != nullptr && entry->plan->overridden;
  return !on_disk || (overridden && entry->ready());
}

std::shared_ptr<const ModelPlan> ModelRepository::ReadOne(Change* change,
                                                          const ModelIdentity& model) {
  const auto asked = change->loads.find(model);
  const std::vector<Parameter> none;
  const std::vector<Parameter>& parameters = asked == change->loads.end() ? none : asked->second;
  const auto made = change->made.find(model);
  const bool provided = made != change->made.end() && made->second->provided;
  if (const Status may = CheckOrigin(model, provided); !may.ok()) {
    change->refused.emplace(model, may);
    return nullptr;
  }
  if (made != change->made.end() && !made->second->in_repository()) {
    return change->plans[model] = made->second;
  }
  Result<FoundModel> found = loader_.Find(model, parameters);
  if (!FilesAsSeen(*change, model)) return nullptr;  // the next poll looks again
  if (found.ok()) {
    // While this change waited for its turn another may have loaded the model, or its files have
    // changed.
    if (const auto serving = Serving(*found)) {
      change->unchanged[model] = found->files.fingerprint.all;
      change->made.erase(model);  // its agents hear that this load comes to nothing
      return serving;
    }
    if (made != change->made.end() && made->second->fingerprint == found->files.fingerprint) {
      return change->plans[model] = made->second;
    }
  }
  Result<ModelPlan> read =
      found.ok() ? loader_.Plan(std::move(found).value()) : Result<ModelPlan>(found.status());
  if (!read.ok()) {
    change->failures.emplace(model, read.status());
    if (!locations_.Find(model).ok()) change->missing.insert(model);
    return nullptr;
  }
  const auto plan = std::make_shared<const ModelPlan>(std::move(read).value());
  if (plan->temporary != nullptr || plan->agents != nullptr) change->made[model] = plan;
  return change->plans[model] = plan;
}

// A name is the repositories' or, as long as it is provided, the host's.
Status ModelRepository::CheckOrigin(const ModelIdentity& model, bool provided) const {
  if (provided && !locations_.Named(model.name).empty()) {
    return AlreadyExists("model '", model.name, "' can't be provided: a model repository has it");
  }
  MutexLock lock(mutex_);
  for (const auto& [known, entry] : table_.entries()) {
    if (known.name != model.name || entry.plan == nullptr || entry.provided() == provided) continue;
    return provided
               ? AlreadyExists("model '", model.name,
                               "' can't be provided: it was loaded from files; unload it first")
               : InvalidArg("model '", model.name,
                            "' was loaded from a configuration that the host provides, not "
                            "from a model repository; unload it first");
  }
  return Status::Ok();
}

std::shared_ptr<const ModelPlan> ModelRepository::Serving(const FoundModel& found) const {
  MutexLock lock(mutex_);
  return table_.Serving(found);
}

// False when files that a poll had found at rest have changed since.
bool ModelRepository::FilesAsSeen(const Change& change, const ModelIdentity& model) const {
  const auto seen = change.quiet_files.find(model);
  if (seen == change.quiet_files.end()) return true;
  const auto location = locations_.Find(model);
  return location.ok() && FingerprintOf(location->directory).all == seen->second;
}

}  // namespace trident
