#pragma once

#include <memory>
#include <vector>

#include "backend.h"
#include "config/model_config.h"
#include "inference/target.h"
#include "judge.h"
#include "scheduler/ensemble_run.h"
#include "scheduler/scheduler.h"
#include "submission.h"
#include "world.h"

namespace trident::simulation {

class Instance;

// A loaded model version: the production scheduler that its configuration asks for, fed and drained
// as the model room does it, with simulated instances. Externally synchronised by its world.
class SimulatedModel : public InferenceTarget,
                       public Resident,
                       public std::enable_shared_from_this<SimulatedModel> {
 public:
  static std::shared_ptr<SimulatedModel> Load(World& world, const ModelConfig& config,
                                              const BackendHabits& habits,
                                              std::shared_ptr<Judge> judge);
  // `find_step` says which model serves a step. No instances.
  static std::shared_ptr<SimulatedModel> LoadEnsemble(World& world, const ModelConfig& config,
                                                      FindStep find_step,
                                                      std::shared_ptr<Judge> judge);
  ~SimulatedModel() override;

  void AddInstance();
  // A seeded one of those in service, if it is not the last.
  void RemoveSomeInstance();
  // The inline lane: true when the requests run.
  bool RunInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns);
  // As unloading: closed at once, stopped when nobody has it reserved, over when it is empty.
  void Drain();
  // Requires that a drained model has come to its end.
  void CheckOver() const;

  bool accepting() const { return accepting_; }
  int64_t in_flight() const { return in_flight_; }
  const ModelConfig& config() const { return config_; }
  const BackendHabits& habits() const { return habits_; }
  Judge& judge() { return *judge_; }
  const std::shared_ptr<Judge>& shared_judge() const { return judge_; }
  Scheduler& scheduler() { return *scheduler_; }
  World& world() { return world_; }

  const ModelSignature& signature() const override { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override { ++in_flight_; }
  void RequestEnded() override;
  void Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) override;
  bool Reserve() override;
  void Unreserve() override;
  void CancelQueued(InferenceRequest* request) override { scheduler_->Cancel(request); }

  bool Step() override;
  void InstantOver(uint64_t next_ns) override;

 private:
  void CheckConfig() const;
  SimulatedModel(World& world, const ModelConfig& config, const BackendHabits& habits,
                 std::shared_ptr<Judge> judge);

  World& world_;
  const ModelConfig config_;
  const BackendHabits habits_;
  const std::shared_ptr<Judge> judge_;
  ModelSignature signature_;
  ModelStatistics statistics_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::unique_ptr<Instance>> instances_;
  int64_t in_flight_ = 0;
  int64_t reservations_ = 0;
  bool accepting_ = true;
  bool draining_ = false;
  bool stopped_ = false;
  bool finalized_ = false;
  bool adding_ = false;
};

// What drives one instance: a thread that takes, one that waits first and then tries, the world's
// executors, or no thread at all but a poll after every event. Externally synchronised by its
// world.
class Instance : private Driven {
 public:
  enum class Drive { kTake, kAwaitThenTry, kExecutors, kPoll };

  // The scheduler's number `index`, from AddTo on.
  Instance(SimulatedModel& model, size_t index, Drive drive);
  size_t AddTo(Scheduler& scheduler);
  void MarkAdded() { added_ = true; }
  bool added() const { return added_; }
  // As the model room ends the service of an instance that was removed or whose model has drained.
  void EndService();

  // A poll, for an instance that has no thread; true when it took a batch.
  bool Poll();
  // A caller has claimed it and runs `batch`.
  void RunInline(Batch batch);
  // The scheduler will give it nothing any more.
  void Retire() { retired_ = true; }
  bool retired() const { return retired_; }
  bool idle() const { return !busy_; }
  // Its thread has left.
  bool ended() const { return ended_; }

 private:
  bool RunBatch(uint64_t* look_again_ns) override;
  void RunThread();
  void Execute(Batch* batch);
  void Finished();

  SimulatedModel& model_;
  World& world_;
  const size_t index_;
  const Drive drive_;
  std::shared_ptr<Waker> waker_;  // kExecutors
  bool added_ = false;
  bool ending_ = false;
  std::unique_ptr<Backend> backend_;
  bool busy_ = false;
  bool retired_ = false;
  bool ended_ = false;
  uint64_t asked_again_ns_ = kNever;
};

}  // namespace trident::simulation
