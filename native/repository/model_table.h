#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "repository/dependencies.h"
#include "repository/model_event.h"
#include "repository/model_loader.h"
#include "repository/poll_plan.h"

namespace trident {

/* The state of one version of a model, as the index shows it.
 *
 *     (new) --> kLoading --> kReady --> kUnloading --> kUnavailable "unloaded"
 *                   |                                       |
 *                   +--> kUnavailable (why)                 +--> kLoading (loaded again)
 */
enum class ModelState { kLoading, kReady, kUnloading, kUnavailable };
const char* ModelStateName(ModelState state);
// Why a version is unavailable that was taken out of service on purpose.
inline constexpr char kUnloaded[] = "unloaded";

// One version after its load: a model, or why there is none.
struct LoadedVersion {
  int64_t version = 0;
  bool kept = false;     // it was in service before, and stays
  bool updated = false;  // kept, and its instances are as this load wants them
  std::shared_ptr<Model> model;
  Status status;
};

// A model that has left service, and what must outlive its requests.
struct RetiredModel {
  std::shared_ptr<Model> model;
  std::shared_ptr<const ModelPlan> plan;
};

struct IndexRow {
  ModelIdentity model;
  bool name_only = false;  // never loaded
  int64_t version = -1;    // -1: none
  ModelState state = ModelState::kUnavailable;
  std::string reason;
};

// What a repository serves, and what became of what it does not: every change of state passes here
// and leaves an event. Externally synchronised by its repository.
class ModelTable {
 public:
  struct Version {
    ModelState state = ModelState::kUnavailable;
    std::string reason;  // while unloading: the reason to show when that is done
    std::shared_ptr<Model> model;
    std::shared_ptr<const ModelPlan> plan;  // the model is as this says
  };
  struct Entry {
    std::map<int64_t, Version> versions;
    std::shared_ptr<const ModelPlan> plan;  // what is to be served; null: nothing
    bool asked_for = false;                 // by name, not only as a step
    std::optional<uint64_t> tried;          // the files of the last load
    Status load;                            // how that ended
    unsigned retiring = 0;                  // drains under way

    bool ready() const;
    bool provided() const { return plan != nullptr && plan->provided; }
  };

  // Null: nothing is known of the model.
  const Entry* Get(const ModelIdentity& model) const;
  const std::map<ModelIdentity, Entry>& entries() const { return entries_; }

  // The plan of what is in service, if that is what was found: nothing to load. Null for load
  // parameters.
  std::shared_ptr<const ModelPlan> Serving(const FoundModel& found) const;
  // The versions that `plan` asks for, and the model of each that can stay in service because at
  // most its instances change.
  std::vector<LoadedVersion> VersionsOf(const ModelPlan& plan) const;

  // Changes ---------------------------------------------------------------------------------------
  void BeginLoad(const ModelPlan& plan, const ModelEvent& progress);
  // All versions of `plan` come into service; what is replaced, or no longer asked for, comes back.
  std::vector<RetiredModel> Publish(std::shared_ptr<const ModelPlan> plan,
                                    std::vector<LoadedVersion> loaded, const ModelEvent& progress);
  // What is in service stays. `plan` may be null: it was that which failed.
  void FailLoad(const ModelIdentity& model, const std::shared_ptr<const ModelPlan>& plan,
                const Status& why, const std::vector<LoadedVersion>& loaded,
                const ModelEvent& progress);
  // Takes the model out of service. With `forget` it is not to be served any more.
  std::vector<RetiredModel> Withdraw(const ModelIdentity& model, const std::string& reason,
                                     bool forget);
  // Once per Publish or Withdraw that gave something back: its requests have ended, then, when
  // everything is done.
  void Drained(const ModelIdentity& model, const std::vector<RetiredModel>& retired);
  void EndRetiring(const ModelIdentity& model) { --entries_.at(model).retiring; }

  void SetAskedFor(const ModelIdentity& model) { entries_[model].asked_for = true; }
  // `files` are what the last load saw.
  void SetTried(const ModelIdentity& model, uint64_t files) { entries_[model].tried = files; }
  // `plan` is what is to be served, though it can't be now.
  void SetPlan(const ModelIdentity& model, std::shared_ptr<const ModelPlan> plan,
               const Status& why);

  // Questions -------------------------------------------------------------------------------------
  DependencyGraph::Nodes Nodes() const;
  ModelSet AskedFor() const;
  std::map<ModelIdentity, ServedModel> Served() const;
  // What polls follow: all but what the host provides.
  std::map<ModelIdentity, ModelKnown> Known() const;
  // The names of the models that the host provides.
  std::set<std::string> Provided() const;
  Result<std::shared_ptr<Model>> Find(const ModelIdentity& model, int64_t version) const;
  // Rows for all of `on_disk` (and how often each was seen there) and what else was ever loaded.
  std::vector<IndexRow> Index(std::map<ModelIdentity, int> on_disk, bool ready_only) const;
  // Every version of every model that was ever asked for is ready or was unloaded on purpose.
  bool AllReady() const;

  // In order; whoever takes them tells the host.
  std::deque<ModelEvent> events;

 private:
  void Tell(ModelEvent event, const ModelIdentity& model, int64_t version, ModelEvent::Kind kind,
            const std::string& reason = "");

  std::map<ModelIdentity, Entry> entries_;
};

}  // namespace trident
