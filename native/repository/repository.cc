#include "repository/repository.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "repository/plan.h"

namespace trident {

const char* ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kUnloading:
      return "UNLOADING";
    case ModelState::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

// The right to load or unload one model, held by one thread at a time.
class ModelRepository::Operation {
 public:
  Operation(ModelRepository* repository, const std::string& name)
      : repository_(repository), name_(name) {
    MutexLock lock(repository_->mutex_);
    while (repository_->entries_[name_].busy) repository_->changed_.Wait(repository_->mutex_);
    repository_->entries_[name_].busy = true;
  }
  ~Operation() {
    MutexLock lock(repository_->mutex_);
    Entry& entry = repository_->entries_[name_];
    entry.busy = false;
    // A name that never had a version is nothing to remember.
    if (entry.versions.empty() && entry.retiring == 0) repository_->entries_.erase(name_);
    repository_->changed_.NotifyAll();
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  ModelRepository* const repository_;
  const std::string name_;
};

ModelRepository::ModelRepository(ModelLocations& locations, ModelLoader& loader,
                                 std::shared_ptr<Logger> logger)
    : locations_(locations), loader_(loader), logger_(std::move(logger)) {}

ModelRepository::~ModelRepository() = default;

Status ModelRepository::Load(const std::string& name, const std::vector<Parameter>& parameters) {
  TRIDENT_RETURN_IF_ERROR(CheckModelName(name));
  const Operation operation(this, name);
  return LoadExclusively(name, parameters);
}

Status ModelRepository::LoadAll(const std::vector<std::string>& names, unsigned threads) {
  std::vector<Status> outcomes(names.size());
  ParallelFor(names.size(), threads, [&](size_t i) { outcomes[i] = Load(names[i], {}); });
  for (const Status& outcome : outcomes) TRIDENT_RETURN_IF_ERROR(outcome);
  return Status::Ok();
}

Status ModelRepository::LoadExclusively(const std::string& name,
                                        const std::vector<Parameter>& parameters) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return Unavailable("server is stopping; model '", name, "' was not loaded");
  }
  Result<ModelPlan> plan = loader_.Plan(name, parameters);
  if (!plan.ok()) {
    const bool known = !parameters.empty() || locations_.Find(name).ok();
    MutexLock lock(mutex_);
    Entry& entry = entries_[name];
    // A model that is there but broken is shown in the index, unless something is in service.
    if (entry.versions.empty() && known) {
      entry.versions[-1] = {ModelState::kUnavailable, plan.status().message(), nullptr};
    }
    return plan.status();
  }
  if (Unchanged(name, *plan)) return Status::Ok();
  MarkLoading(name, *plan);
  std::vector<LoadedVersion> loaded = loader_.LoadVersions(*plan);
  const bool all_ok = std::all_of(loaded.begin(), loaded.end(),
                                  [](const LoadedVersion& v) { return v.status.ok(); });
  if (!all_ok) return Discard(name, std::move(loaded));
  Publish(name, std::move(*plan), std::move(loaded));
  return Status::Ok();
}

bool ModelRepository::Unchanged(const std::string& name, const ModelPlan& plan) {
  MutexLock lock(mutex_);
  const Entry& entry = entries_[name];
  if (plan.overridden || entry.overridden || entry.fingerprint != plan.fingerprint) return false;
  return std::all_of(plan.versions.begin(), plan.versions.end(), [&](int64_t version) {
    const auto found = entry.versions.find(version);
    return found != entry.versions.end() && found->second.state == ModelState::kReady;
  });
}

void ModelRepository::MarkLoading(const std::string& name, const ModelPlan& plan) {
  MutexLock lock(mutex_);
  Entry& entry = entries_[name];
  entry.versions.erase(-1);
  for (const int64_t number : plan.versions) {
    Version& version = entry.versions[number];
    if (version.state == ModelState::kUnavailable) version = {ModelState::kLoading, "", nullptr};
  }
}

Status ModelRepository::Discard(const std::string& name, std::vector<LoadedVersion> loaded) {
  std::string reasons;
  StatusCode code = StatusCode::kInternal;
  for (const LoadedVersion& version : loaded) {
    if (version.model != nullptr) version.model->Drain();
    if (version.status.ok()) continue;
    code = version.status.code();
    reasons += StrCat("version ", version.version,
                      " is at UNAVAILABLE state: ", version.status.message(), ";");
  }
  MutexLock lock(mutex_);
  Entry& entry = entries_[name];
  for (const LoadedVersion& version : loaded) {
    Version& shown = entry.versions[version.version];
    if (shown.state != ModelState::kLoading) continue;  // an older load of it is still in service
    shown = {ModelState::kUnavailable,
             version.status.ok() ? "another version of the model failed to load"
                                 : version.status.message(),
             nullptr};
  }
  return Error(code, "load failed for model '", name, "': ", reasons);
}

void ModelRepository::Publish(const std::string& name, ModelPlan plan,
                              std::vector<LoadedVersion> loaded) {
  std::vector<std::shared_ptr<Model>> replaced;
  std::shared_ptr<TemporaryModel> old_files;
  {
    MutexLock lock(mutex_);
    Entry& entry = entries_[name];
    for (auto& [number, version] : entry.versions) {
      if (version.state != ModelState::kReady) continue;
      replaced.push_back(version.model);
      if (plan.versions.count(number) == 0) version.state = ModelState::kUnloading;
    }
    for (LoadedVersion& version : loaded) {
      entry.versions[version.version] = {ModelState::kReady, "", std::move(version.model)};
    }
    entry.fingerprint = plan.fingerprint;
    entry.overridden = plan.overridden;
    old_files = std::exchange(entry.temporary, std::move(plan.temporary));
  }
  TRIDENT_LOG(*logger_, LogLevel::kInfo, "successfully loaded '", name, "'");
  Retire(name, std::move(replaced), std::move(old_files));
}

void ModelRepository::Retire(const std::string& name, std::vector<std::shared_ptr<Model>> models,
                             std::shared_ptr<TemporaryModel> keep) {
  if (models.empty()) return;
  // Before the load or unload returns: what is submitted after it must see its effect.
  for (const auto& model : models) model->Close();
  {
    MutexLock lock(mutex_);
    ++entries_[name].retiring;
  }
  auto drain = [this, name, models = std::move(models), keep = std::move(keep)]() mutable {
    for (const auto& model : models) model->Drain();
    MarkUnloaded(name, models);
    // The last references go here, with no lock held: they may run a plug-in's code.
    models.clear();
    keep.reset();
    MutexLock lock(mutex_);
    --entries_[name].retiring;
    changed_.NotifyAll();
  };
  // Draining waits for requests, possibly for long, so it must not occupy whoever asked; the
  // repository outlives the thread because Stop waits for `retiring` to reach zero.
  try {
    std::thread(drain).detach();
  } catch (const std::exception&) {  // no thread, or no memory for one, to be had
    drain();
  }
}

void ModelRepository::MarkUnloaded(const std::string& name,
                                   const std::vector<std::shared_ptr<Model>>& models) {
  MutexLock lock(mutex_);
  for (auto& [number, version] : entries_[name].versions) {
    const bool ours = version.state == ModelState::kUnloading &&
                      std::find(models.begin(), models.end(), version.model) != models.end();
    if (ours) version = {ModelState::kUnavailable, "unloaded", nullptr};
  }
}

std::vector<std::shared_ptr<Model>> ModelRepository::TakeOutOfService(Entry* entry) {
  std::vector<std::shared_ptr<Model>> models;
  for (auto& [number, version] : entry->versions) {
    if (version.state != ModelState::kReady) continue;
    version.state = ModelState::kUnloading;
    models.push_back(version.model);
  }
  entry->fingerprint = 0;
  return models;
}

Status ModelRepository::Unload(const std::string& name) {
  const Operation operation(this, name);
  std::vector<std::shared_ptr<Model>> models;
  std::shared_ptr<TemporaryModel> files;
  {
    MutexLock lock(mutex_);
    Entry& entry = entries_[name];
    models = TakeOutOfService(&entry);
    files = std::exchange(entry.temporary, nullptr);
  }
  Retire(name, std::move(models), std::move(files));
  return Status::Ok();
}

Status ModelRepository::WaitUnloaded(const std::string& name, uint64_t deadline_ns) {
  MutexLock lock(mutex_);
  for (;;) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.retiring == 0) return Status::Ok();
    if (NowNs() >= deadline_ns) {
      return Unavailable("model '", name, "' still has requests in flight; its unload goes on");
    }
    Clock::System().WaitUntil(changed_, mutex_, deadline_ns);
  }
}

Result<std::shared_ptr<Model>> ModelRepository::Find(const std::string& name,
                                                     int64_t version) const {
  const std::string prefix = "Request for unknown model: '" + name + "' ";
  MutexLock lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return NotFound(prefix, "is not found");
  if (version != -1) {
    const auto found = entry->second.versions.find(version);
    if (found == entry->second.versions.end()) {
      return NotFound(prefix, "version ", version, " is not found");
    }
    if (found->second.state != ModelState::kReady) {
      return Unavailable(prefix, "version ", version, " is not at ready state");
    }
    return found->second.model;
  }
  const auto& versions = entry->second.versions;
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->second.state == ModelState::kReady) return it->second.model;
  }
  return NotFound(prefix, "has no available versions");
}

std::vector<std::shared_ptr<Model>> ModelRepository::ReadyModels(const std::string& name) const {
  std::vector<std::shared_ptr<Model>> out;
  MutexLock lock(mutex_);
  for (const auto& [entry_name, entry] : entries_) {
    if (!name.empty() && entry_name != name) continue;
    for (const auto& [number, version] : entry.versions) {
      if (version.state == ModelState::kReady) out.push_back(version.model);
    }
  }
  return out;
}

std::vector<std::string> ModelRepository::LoadedNames() const {
  std::vector<std::string> out;
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) out.push_back(name);
  return out;
}

Result<std::vector<IndexRow>> ModelRepository::Index(bool ready_only) const {
  TRIDENT_ASSIGN_OR_RETURN(auto on_disk, locations_.All());
  std::vector<IndexRow> rows;
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) on_disk.emplace(name, 1);
  for (const auto& [name, count] : on_disk) {
    const auto entry = entries_.find(name);
    if (count > 1) {
      rows.push_back(
          {name, false, -1, ModelState::kUnavailable, "model appears in two or more repositories"});
    } else if (entry == entries_.end() || entry->second.versions.empty()) {
      if (!ready_only) rows.push_back({name, true});
    } else {
      for (const auto& [number, version] : entry->second.versions) {
        if (ready_only && version.state != ModelState::kReady) continue;
        rows.push_back({name, false, number, version.state, version.reason});
      }
    }
  }
  return rows;
}

bool ModelRepository::AllReady() const {
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    for (const auto& [number, version] : entry.versions) {
      if (version.state != ModelState::kReady && version.reason != "unloaded") return false;
    }
  }
  return true;
}

Status ModelRepository::Stop(uint64_t deadline_ns) {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  for (const std::string& name : LoadedNames()) TRIDENT_RETURN_IF_ERROR(Unload(name));
  for (const std::string& name : LoadedNames()) {
    if (!WaitUnloaded(name, deadline_ns).ok()) {
      return Internal("exit timeout expired while model '", name, "' had requests in flight");
    }
  }
  return Status::Ok();
}

}  // namespace trident
