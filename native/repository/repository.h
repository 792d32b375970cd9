#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "repository/claims.h"
#include "repository/drains.h"
#include "repository/model_loader.h"
#include "repository/model_table.h"
#include "repository/served_models.h"

namespace trident {

// The models a server serves. A load prepares new versions beside those in service and swaps them
// in when all are ready, so that requests always find a version; what is replaced or unloaded
// drains on a thread of its own. Ensembles are loaded after their steps and follow them: they are
// loaded anew when a step was, and leave service with it. Related changes run one after the other,
// others side by side; no lock is held while models load, so inference never waits. Thread-safe.
class ModelRepository {
 public:
  struct Options {
    // How long a model's files must have been unchanged before a poll loads them. Set: the files
    // are also watched during loads. Not set: they are loaded as they lie.
    std::optional<uint64_t> settle_ns;
    ModelEventListener listener;
    Clock* clock = &Clock::System();
    Drains::StartThread start_thread;  // tests only
  };
  ModelRepository(Options options, ModelLocations& locations, ModelLoader& loader,
                  std::shared_ptr<Logger> logger);
  // Stop must have succeeded, or nothing have been loaded.
  ~ModelRepository();

  // Loads or reloads the models of one name; all versions or, on failure, none: then those in
  // service stay. An ensemble brings the models of its steps. Files that have not changed since the
  // last load are not loaded again. `name` may say "namespace::name", as all names here.
  Status Load(const std::string& name, const std::vector<Parameter>& parameters);
  // Loads or reloads a model of which there is a configuration, in JSON, and nothing else: no
  // repository has its name then, and polls leave it alone. `with_steps`: an ensemble brings the
  // models of its steps.
  Status LoadProvided(const std::string& name, const ProvidedModel& provided, bool with_steps);
  bool IsProvided(const std::string& name) const;
  // Loads the models of these names, or all on disk. INTERNAL, after trying all, when one failed.
  Status LoadAll(const std::optional<std::set<std::string>>& names);
  // Loads what is new or has changed on disk, unloads what is gone. A model that can't be loaded is
  // logged and tried again when its files change. INTERNAL when a repository can't be read.
  Status Poll();
  // Takes the models out of service and returns which; their requests end in the background.
  // `dependents`: also the steps of ensembles that nobody else needs. Unknown names are fine.
  Result<ModelSet> Unload(const std::string& name, bool dependents);
  // Until no version of `models` is unloading; UNAVAILABLE when `deadline_ns` comes first.
  Status WaitUnloaded(const ModelSet& models, uint64_t deadline_ns);

  // The version asked for, or the newest ready one (-1).
  Result<std::shared_ptr<Model>> Find(const std::string& name, int64_t version) const;
  Result<std::shared_ptr<Model>> Find(const ModelIdentity& model, int64_t version) const;
  // All ready versions of one model, oldest first, or of all models (empty name).
  std::vector<std::shared_ptr<Model>> ReadyModels(const std::string& name) const;
  // All models in service, without getting in the way of requests.
  std::vector<std::shared_ptr<Model>> ModelsInService() { return served_.All(); }
  Result<std::vector<IndexRow>> Index(bool ready_only) const;
  // Every version of every model that was ever asked for is ready or was unloaded on purpose.
  bool AllReady() const;

  // From here on loads end with UNAVAILABLE, those under way at their next step.
  void BeginStop();
  // BeginStop, then unloads everything and waits for it. INTERNAL when `deadline_ns` comes first;
  // may be called again.
  Status Stop(uint64_t deadline_ns);

 private:
  struct Change;
  struct Job;

  Status CheckNotStopped(const std::string& what) const;
  // The models in service or on disk that `name` may mean.
  Result<ModelIdentity> Identify(const std::string& name) const;
  ModelSet KnownAs(const std::string& name) const;

  // Making a change
  Status Run(Change* change);
  void Read(Change* change);
  std::shared_ptr<const ModelPlan> ReadOne(Change* change, const ModelIdentity& model);
  Status CheckOrigin(const ModelIdentity& model, bool provided) const;
  std::shared_ptr<const ModelPlan> Serving(const FoundModel& found) const;
  bool FilesAsSeen(const Change& change, const ModelIdentity& model) const;
  bool StaysAsStep(const ModelIdentity& model) const;
  ModelSet Related(const Change& change) const;
  void Apply(Change* change);
  void WithdrawUnloaded(Change* change, const DependencyGraph& before);
  void NoteFailure(Change* change, const ModelIdentity& model, const Status& why) REQUIRES(mutex_);
  std::shared_ptr<const ModelPlan> PlanFor(const Change& change, const DependencyGraph& graph,
                                           const ModelIdentity& model) const;
  void LoadGroup(Change* change, const DependencyGraph& graph, const ModelSet& group);
  void Refuse(Change* change, const std::shared_ptr<const ModelPlan>& plan, const Status& why);
  bool StepsServe(const Change& change, const ModelPlan& plan) const REQUIRES(mutex_);
  void LoadVersion(Job* job, size_t index);
  Status Outcome(const Job& job) const;
  void UndoUpdates(const Job& job) EXCLUDES(mutex_);
  void Finish(Job* job);

  // Polls
  std::map<ModelIdentity, ModelOnDisk> LookAtDisk(const std::map<ModelIdentity, int>& all);
  Result<PollPlan> PlanPoll(std::map<ModelIdentity, ModelOnDisk>* on_disk);
  void WaitUntil(uint64_t when_ns);

  void Retire(const ModelIdentity& model, std::vector<RetiredModel> retired) EXCLUDES(mutex_);
  void TellEvents() EXCLUDES(mutex_);

  const Options options_;
  ModelLocations& locations_;
  ModelLoader& loader_;
  const std::shared_ptr<Logger> logger_;
  ModelClaims claims_;
  Drains drains_;
  ServedModels served_;
  std::atomic<bool> stopped_{false};

  mutable Mutex mutex_;
  CondVar changed_;  // a drain has ended, or the repository stops
  ModelTable table_ GUARDED_BY(mutex_);
  bool telling_ GUARDED_BY(mutex_) = false;
  // By the last poll: files, and since when they are as they are.
  std::map<ModelIdentity, ModelOnDisk> seen_ GUARDED_BY(mutex_);
};

}  // namespace trident
