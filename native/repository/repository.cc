#include "repository/repository.h"

#include <algorithm>

#include "repository/change.h"
#include "repository/plan.h"

namespace trident {

ModelRepository::ModelRepository(Options options, ModelLocations& locations, ModelLoader& loader,
                                 std::shared_ptr<Logger> logger)
    : options_(std::move(options)),
      locations_(locations),
      loader_(loader),
      logger_(std::move(logger)),
      drains_(options_.start_thread) {}

ModelRepository::~ModelRepository() = default;

Status ModelRepository::CheckNotStopped(const std::string& what) const {
  if (!stopped_.load()) return Status::Ok();
  return Unavailable("server is stopping; ", what);
}

// Loading and unloading ---------------------------------------------------------------------------

Status ModelRepository::Load(const std::string& name, const std::vector<Parameter>& parameters) {
  const ModelIdentity asked = locations_.Parse(name);
  TRIDENT_RETURN_IF_ERROR(CheckModelName(asked.name));
  TRIDENT_RETURN_IF_ERROR(CheckLoadParameters(parameters));
  Change change;
  change.with_steps = true;
  if (!HasFiles(parameters)) {
    for (const ModelIdentity& model : locations_.Named(name)) change.loads[model] = parameters;
  }
  if (change.loads.empty()) change.loads[asked] = parameters;
  TRIDENT_RETURN_IF_ERROR(Run(&change));
  for (const auto& [model, ignored] : change.loads) {
    TRIDENT_RETURN_IF_ERROR(change.outcomes[model]);
  }
  return Status::Ok();
}

Status ModelRepository::LoadProvided(const std::string& name, const ProvidedModel& provided,
                                     bool with_steps) {
  TRIDENT_RETURN_IF_ERROR(CheckModelName(name));
  const ModelIdentity model = locations_.Parse(name);
  if (!model.space.empty()) {
    return InvalidArg("model '", name, "' is provided, and can't be in a namespace");
  }
  TRIDENT_ASSIGN_OR_RETURN(FoundModel found, ModelLoader::Provided(model, provided));
  TRIDENT_ASSIGN_OR_RETURN(ModelPlan plan, loader_.Plan(std::move(found)));
  Change change;
  change.with_steps = with_steps;
  change.loads[model];
  change.made[model] = std::make_shared<const ModelPlan>(std::move(plan));
  TRIDENT_RETURN_IF_ERROR(Run(&change));
  return change.outcomes[model];
}

Status ModelRepository::LoadAll(const std::optional<std::set<std::string>>& names) {
  Change change;
  change.with_steps = names.has_value();
  if (names.has_value()) {
    for (const std::string& name : *names) {
      const ModelSet found = locations_.Named(name);
      for (const ModelIdentity& model : found) change.loads[model];
      if (found.empty()) change.loads[locations_.Parse(name)];
    }
  } else {
    TRIDENT_ASSIGN_OR_RETURN(const auto on_disk, locations_.All());
    for (const auto& [model, copies] : on_disk) change.loads[model];
  }
  TRIDENT_RETURN_IF_ERROR(Run(&change));
  std::string reasons;
  for (const auto& [model, outcome] : change.outcomes) {
    if (outcome.ok()) continue;
    reasons +=
        StrCat(reasons.empty() ? ": " : "; ", "model '", model.Text(), "': ", outcome.message());
  }
  return reasons.empty() ? Status::Ok() : Internal("failed to load all models", reasons);
}

Result<ModelSet> ModelRepository::Unload(const std::string& name, bool dependents) {
  Change change;
  change.unloads = KnownAs(name);
  change.by_request = true;
  change.with_dependents = dependents;
  TRIDENT_RETURN_IF_ERROR(Run(&change));
  change.touched.insert(change.unloads.begin(), change.unloads.end());
  return change.touched;
}

Status ModelRepository::WaitUnloaded(const ModelSet& models, uint64_t deadline_ns) {
  for (;;) {
    const bool parked = drains_.StartParked();
    MutexLock lock(mutex_);
    const auto unloading = std::find_if(models.begin(), models.end(), [&](const auto& model) {
      const ModelTable::Entry* const entry = table_.Get(model);
      return entry != nullptr && entry->retiring > 0;
    });
    if (unloading == models.end()) return Status::Ok();
    if (NowNs() >= deadline_ns) {
      return Unavailable("model '", unloading->Text(),
                         "' still has requests in flight; its unload goes on");
    }
    Clock::System().WaitUntil(
        changed_, mutex_, parked ? std::min(deadline_ns, NowNs() + kRetryThreadNs) : deadline_ns);
  }
}

// Gives versions that stay in service, though the load they took part in has failed, the instances
// of the load that serves.
void ModelRepository::UndoUpdates(const Job& job) {
  std::vector<RetiredModel> updated;
  {
    MutexLock lock(mutex_);
    const ModelTable::Entry* const entry = table_.Get(job.plan->model);
    for (const LoadedVersion& version : job.versions) {
      if (!version.updated) continue;
      const ModelTable::Version& served = entry->versions.at(version.version);
      if (served.plan != nullptr) updated.push_back({version.model, served.plan});
    }
  }
  for (const auto& [model, plan] : updated) {
    std::function<void()> finish;
    const Status status = model->UpdateInstances(plan->config, &finish);
    if (finish) drains_.Start(std::move(finish));
    if (status.ok() || !model->accepting()) continue;
    TRIDENT_LOG(*logger_, LogLevel::kError, "failed to restore the instances of '",
                job.plan->model.Text(), "' version ", model->version(), ": ", status.message());
  }
}

void ModelRepository::Retire(const ModelIdentity& model, std::vector<RetiredModel> retired) {
  if (retired.empty()) return;
  // Before the load or unload returns: what is submitted after it must see its effect.
  for (const RetiredModel& one : retired) one.model->Close();
  drains_.Start([this, model, retired = std::move(retired)]() mutable {
    for (const RetiredModel& one : retired) {
      if (one.plan->agents != nullptr) one.plan->agents->Unload();
    }
    for (const RetiredModel& one : retired) one.model->Drain();
    for (const RetiredModel& one : retired) {
      if (one.plan->agents != nullptr) one.plan->agents->CompleteUnload();
    }
    {
      MutexLock lock(mutex_);
      table_.Drained(model, retired);
    }
    // The last references go here, with no lock held: they may run a plug-in's code.
    retired.clear();
    TellEvents();
    MutexLock lock(mutex_);
    table_.EndRetiring(model);
    changed_.NotifyAll();
  });
}

void ModelRepository::TellEvents() {
  for (;;) {
    std::deque<ModelEvent> events;
    {
      MutexLock lock(mutex_);
      // Whoever tells now will find what came meanwhile; this keeps the order.
      if (telling_ || table_.events.empty()) return;
      events.swap(table_.events);
      telling_ = true;
    }
    if (options_.listener) std::for_each(events.begin(), events.end(), options_.listener);
    MutexLock lock(mutex_);
    telling_ = false;
  }
}

void ModelRepository::BeginStop() {
  claims_.Stop();
  MutexLock lock(mutex_);
  stopped_.store(true);
  changed_.NotifyAll();
}

Status ModelRepository::Stop(uint64_t deadline_ns) {
  BeginStop();
  std::vector<std::pair<ModelIdentity, std::vector<RetiredModel>>> all;
  {
    MutexLock lock(mutex_);
    ModelSet models;
    for (const auto& [model, entry] : table_.entries()) models.insert(model);
    for (const ModelIdentity& model : models) {
      all.emplace_back(model, table_.Withdraw(model, "", /*forget=*/true));
    }
  }
  TellEvents();
  for (auto& [model, retired] : all) Retire(model, std::move(retired));
  if (drains_.WaitAll(deadline_ns)) return Status::Ok();
  MutexLock lock(mutex_);
  for (const auto& [model, entry] : table_.entries()) {
    if (entry.retiring == 0) continue;
    return Internal("exit timeout expired while model '", model.Text(), "' had requests in flight");
  }
  return Status::Ok();
}

// Questions ---------------------------------------------------------------------------------------

ModelSet ModelRepository::KnownAs(const std::string& name) const {
  const ModelIdentity asked = locations_.Parse(name);
  if (!locations_.namespacing() || !asked.space.empty()) return {asked};
  ModelSet models;
  MutexLock lock(mutex_);
  for (const auto& [model, entry] : table_.entries()) {
    if (model.name == name) models.insert(model);
  }
  return models;
}

bool ModelRepository::IsProvided(const std::string& name) const {
  MutexLock lock(mutex_);
  return table_.Provided().count(name) > 0;
}

Result<ModelIdentity> ModelRepository::Identify(const std::string& name) const {
  const ModelSet known = KnownAs(name);
  if (known.empty()) return InvalidArg("Request for unknown model: '", name, "' is not found");
  if (!locations_.namespacing() || !locations_.Parse(name).space.empty()) return *known.begin();
  ModelSet wanted;
  {
    MutexLock lock(mutex_);
    for (const ModelIdentity& model : known) {
      const ModelTable::Entry* const entry = table_.Get(model);
      if (entry != nullptr && entry->plan != nullptr) wanted.insert(model);
    }
  }
  if (wanted.empty()) {
    return NotFound("Identifier of model '", name, "' is not found in global map");
  }
  if (wanted.size() == 1) return *wanted.begin();
  return InvalidArg("There are ", wanted.size(), " identifiers of model '", name,
                    "' in global map, model namespace must be provided to resolve ambiguity.");
}

Result<std::shared_ptr<Model>> ModelRepository::Find(const std::string& name,
                                                     int64_t version) const {
  TRIDENT_ASSIGN_OR_RETURN(const ModelIdentity model, Identify(name));
  return Find(model, version);
}

Result<std::shared_ptr<Model>> ModelRepository::Find(const ModelIdentity& model,
                                                     int64_t version) const {
  MutexLock lock(mutex_);
  return table_.Find(model, version);
}

std::vector<std::shared_ptr<Model>> ModelRepository::ReadyModels(const std::string& name) const {
  const ModelSet known = name.empty() ? ModelSet() : KnownAs(name);
  std::vector<std::shared_ptr<Model>> out;
  MutexLock lock(mutex_);
  for (const auto& [model, entry] : table_.entries()) {
    if (!name.empty() && known.count(model) == 0) continue;
    for (const auto& [number, version] : entry.versions) {
      if (version.state == ModelState::kReady) out.push_back(version.model);
    }
  }
  return out;
}

Result<std::vector<IndexRow>> ModelRepository::Index(bool ready_only) const {
  TRIDENT_ASSIGN_OR_RETURN(auto on_disk, locations_.All());
  MutexLock lock(mutex_);
  return table_.Index(std::move(on_disk), ready_only);
}

bool ModelRepository::AllReady() const {
  MutexLock lock(mutex_);
  return table_.AllReady();
}

}  // namespace trident
