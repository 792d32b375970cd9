#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "model/model.h"
#include "repository/model_loader.h"

namespace trident {

/* The state of one version of a model, as the index shows it.
 *
 *     (new) --> kLoading --> kReady --> kUnloading --> kUnavailable "unloaded"
 *                   |                                       |
 *                   +--> kUnavailable (why)                 +--> kLoading (loaded again)
 */
enum class ModelState { kLoading, kReady, kUnloading, kUnavailable };
const char* ModelStateName(ModelState state);

struct IndexRow {
  std::string name;
  bool name_only = false;  // never loaded
  int64_t version = -1;    // -1: none
  ModelState state = ModelState::kUnavailable;
  std::string reason;
};

// The models a server serves. A load prepares new versions beside those in service and swaps them
// in when all are ready, so that requests always find a version; what is replaced or unloaded
// drains on a thread of its own. Loads and unloads of one model run one after the other; nothing
// here holds the lock while it loads, so inference never waits for a load. Thread-safe.
class ModelRepository {
 public:
  ModelRepository(ModelLocations& locations, ModelLoader& loader, std::shared_ptr<Logger> logger);
  // Stop must have succeeded, or nothing have been loaded.
  ~ModelRepository();

  // Loads or reloads one model; all its versions or, on failure, none: then those in service stay.
  // Files that have not changed since the last load are not loaded again.
  Status Load(const std::string& name, const std::vector<Parameter>& parameters);
  // Loads several, `threads` at once; the first error, after trying all.
  Status LoadAll(const std::vector<std::string>& names, unsigned threads);
  // Takes the model out of service and returns; its requests end in the background. Unknown names
  // are fine.
  Status Unload(const std::string& name);
  // Until no version of `name` is unloading; UNAVAILABLE when `deadline_ns` comes first.
  Status WaitUnloaded(const std::string& name, uint64_t deadline_ns);

  // The version asked for, or the newest ready one (-1).
  Result<std::shared_ptr<Model>> Find(const std::string& name, int64_t version) const;
  // All ready versions of one model, oldest first, or of all models (empty name).
  std::vector<std::shared_ptr<Model>> ReadyModels(const std::string& name) const;
  std::vector<std::string> LoadedNames() const;
  Result<std::vector<IndexRow>> Index(bool ready_only) const;
  // Every version of every model that was ever asked for is ready or was unloaded on purpose.
  bool AllReady() const;

  // Unloads everything and waits for it. INTERNAL when `deadline_ns` comes first; may be called
  // again.
  Status Stop(uint64_t deadline_ns);

 private:
  struct Version {
    ModelState state = ModelState::kUnavailable;
    std::string reason;
    std::shared_ptr<Model> model;
  };
  struct Entry {
    std::map<int64_t, Version> versions;
    bool busy = false;      // a load or unload is at work
    unsigned retiring = 0;  // drains under way
    uint64_t fingerprint = 0;
    bool overridden = false;
    std::shared_ptr<TemporaryModel> temporary;
  };
  class Operation;

  Status LoadExclusively(const std::string& name, const std::vector<Parameter>& parameters);
  bool Unchanged(const std::string& name, const ModelPlan& plan);
  void MarkLoading(const std::string& name, const ModelPlan& plan);
  Status Discard(const std::string& name, std::vector<LoadedVersion> loaded);
  void Publish(const std::string& name, ModelPlan plan, std::vector<LoadedVersion> loaded);
  // Drains on a thread of its own; `keep` is released when that is done.
  void Retire(const std::string& name, std::vector<std::shared_ptr<Model>> models,
              std::shared_ptr<TemporaryModel> keep) EXCLUDES(mutex_);
  void MarkUnloaded(const std::string& name, const std::vector<std::shared_ptr<Model>>& models);
  std::vector<std::shared_ptr<Model>> TakeOutOfService(Entry* entry) REQUIRES(mutex_);

  ModelLocations& locations_;
  ModelLoader& loader_;
  const std::shared_ptr<Logger> logger_;

  mutable Mutex mutex_;
  CondVar changed_;  // an operation or a drain has ended
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
