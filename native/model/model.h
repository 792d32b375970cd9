#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/timer.h"
#include "config/model_config.h"
#include "cuda/health.h"
#include "inference/batch_host.h"
#include "inference/sequence_state.h"
#include "inference/target.h"
#include "metrics/histogram.h"
#include "model/backend.h"
#include "model/executors.h"
#include "model/gpus.h"
#include "model/metric_labels.h"
#include "model/model_identity.h"
#include "model/model_instance.h"
#include "model/rate_limiter.h"
#include "scheduler/batch_strategy.h"
#include "scheduler/model_cache.h"
#include "scheduler/ordering.h"
#include "scheduler/scheduler.h"

namespace trident {

using HostPolicies = std::map<std::string, std::map<std::string, std::string>>;

class Model;
// The ready version asked for of a model, or its newest one (-1), as a request would find it.
using FindModel =
    std::function<Result<std::shared_ptr<Model>>(const ModelIdentity& model, int64_t version)>;

// What it takes to load one version of a model.
struct ModelSource {
  ModelConfig config;     // complete but for what the backend may add; normalised and validated
  std::string space;      // the model's namespace, empty without
  std::string directory;  // of the model, with its version directories
  int64_t version = 0;
  std::shared_ptr<Backend> backend;  // null for an ensemble
  FindModel find_model;              // for the steps of ensembles, whose namespaces are resolved
  bool auto_complete = false;
  HostPolicies host_policies;
  std::shared_ptr<Gpus> gpus;
  std::shared_ptr<Timer> timer;
  std::shared_ptr<Executors> executors;
  std::shared_ptr<ExecutionLimiter> limiter;  // null: executions are not limited
  std::shared_ptr<ResponseCache> cache;       // null: responses are not remembered
  bool latency_summaries = false;             // for metrics
  bool latency_histograms = false;
  std::shared_ptr<const BatchHost> batch_host;  // null: requests are scheduled here
  void* server = nullptr;                       // what TRITONBACKEND_ModelServer returns
  std::shared_ptr<Logger> logger;
};

/* One loaded version of a model; the object behind TRITONBACKEND_Model.
 *
 *     Load --> serving --Drain--> no new requests --(last request ends)--> finalised
 *
 * After Drain the object stays valid for whoever still holds it, but refuses requests.
 * Thread-safe, except for what the plug-in touches while it initialises the model. */
class Model : public InferenceTarget,
              public cuda::DeviceListener,
              public std::enable_shared_from_this<Model> {
 public:
  static Result<std::shared_ptr<Model>> Load(ModelSource source);
  ~Model() override;

  // The inline lane, for claimed requests that make one batch, known to take at most `budget_ns`
  // (kNever: however long). True: the calling thread has executed them, or left them, idle, with
  // its caller; `outcomes` say which. False: nothing happened; use Submit.
  bool RunInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                 std::span<Status> outcomes);

  // Executes claimed requests as one batch on the first instance, past scheduler, cache and limits;
  // one batch at a time. On failure none is executed, and all are idle. With a batch host only.
  Status ExecuteBatch(std::span<InferenceRequest* const> requests);

  // From here on who asks for the model is sent elsewhere; requests already here go on.
  void Close();
  // Closes, refuses new requests, waits until every accepted one has ended, then finalises
  // instances and model. Call once, not from a callback of this model.
  void Drain();
  bool accepting() const { return accepting_.load(std::memory_order_acquire); }
  // OK, or the first instance's reason for not being ready.
  Status Ready();
  // OK, or UNAVAILABLE when every instance is on a device that is lost: it refuses requests.
  Status Health() const;

  // Takes over the instance groups and the version policy of `config`, while requests go on:
  // instances as they are wanted stay, others are added and removed. On failure nothing has
  // changed. `*finish`, if set, waits for the instances that leave to end what they have begun, and
  // finalises them: to be run once, where waiting does no harm; until then the model is not
  // drained. Not for ensembles. Externally synchronised: one update at a time.
  Status UpdateInstances(const ModelConfig& config, std::function<void()>* finish);

  // InferenceTarget
  const ModelSignature& signature() const override { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override { in_flight_.fetch_add(1, std::memory_order_relaxed); }
  void RequestEnded() override;
  void Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) override;
  bool Reserve() override;
  void Unreserve() override;
  void BackendFailed() override;
  std::shared_ptr<MemoryPools> memory_pools() const override;
  void CancelQueued(InferenceRequest* request) override;

  // DeviceListener
  void OnDeviceLost(const cuda::Device& device, const Status& why) override;

  // For metrics
  uint64_t waiting_requests() const { return scheduler_->waiting(); }
  bool cached() const { return cache_ != nullptr; }
  const Histogram* first_response() const { return first_response_.get(); }  // null: not kept
  uint64_t load_ns() const { return load_ns_; }
  // Replaced as a whole when only the instances change.
  std::shared_ptr<const ModelLabels> metric_labels() const;

  // For the plug-in and the documents -------------------------------------------------------------

  // Replaced as a whole when only the instances change.
  std::shared_ptr<const ModelConfig> config() const;
  const std::string& name() const { return name_; }
  ModelIdentity identity() const { return {space_, name_}; }
  std::string& directory() { return directory_; }
  int64_t version() const { return version_; }
  Backend& backend() { return *backend_; }
  void* server() const { return server_; }
  ExecutionLimiter* limiter() const { return limiter_.get(); }
  Gpus& gpus() const { return *gpus_; }
  // What instances on this device hold while they execute, if they are to do so one at a time.
  Mutex& DeviceTurn(int32_t device_id);
  Logger& logger() { return *logger_; }
  bool auto_complete() const { return auto_complete_; }
  // Hears what the backend reports; null: nobody does, and the model schedules and warms up itself.
  const BatchHost* batch_host() const { return batch_host_.get(); }
  // Only while the plug-in initialises the model.
  Status SetAutoCompleted(const ModelConfig& from_backend);
  // What the plug-in says that finalising `owner` (this model or one of its instances) will free;
  // replaces what it said before.
  void ReportMemoryUsage(const void* owner, std::vector<BufferAttributes> rows);
  // Model and instances together, one row per kind of memory.
  std::vector<BufferAttributes> MemoryUsage() const;

  TRITONBACKEND_Model* handle() { return reinterpret_cast<TRITONBACKEND_Model*>(this); }

  void* state = nullptr;  // the plug-in's

 private:
  explicit Model(ModelSource source);
  Status Initialize();
  Status InitializeBackend();
  Status InitializeEnsemble();
  struct LeavingInstance {
    std::shared_ptr<ModelInstance> instance;
    size_t index = 0;
  };
  Status CreateInstances(const ModelConfig& config);
  Status CheckInstanceCount(const ModelConfig& config) const;
  void LabelMetrics(const ModelConfig& config);
  void AddActive(ModelInstance* instance) REQUIRES(mutex_);
  void CountInstances() REQUIRES(mutex_);
  void AddInstances(std::vector<std::shared_ptr<ModelInstance>> added) REQUIRES(mutex_);
  std::vector<LeavingInstance> TakeOut(const std::vector<const ModelInstance*>& stay)
      REQUIRES(mutex_);
  void AwaitEnd(const LeavingInstance& leaving);
  // Whether one of them takes work from the scheduler.
  bool AnyInService(const std::vector<const ModelInstance*>& instances) const REQUIRES(mutex_);
  // Those on lost devices leave service while there are others; the scheduler is to be told of what
  // comes back. Without others they stay, to answer what waits.
  struct LostInstance {
    size_t index = 0;
    Status why;
  };
  std::vector<LostInstance> TakeOutLost() REQUIRES(mutex_);
  void Lose(const std::vector<LostInstance>& lost);
  void Finalize();
  Status StartThreads();
  Status SubmitAll(std::span<InferenceRequest* const> requests, uint64_t now_ns,
                   std::vector<RequestPtr>& submitted);
  void KeepTimeOfFirstResponse(InferenceRequest* request) const;
  Status PrepareBatch(std::span<InferenceRequest* const> requests) const;
  Status SubmitBatch(std::span<InferenceRequest* const> requests, Batch* batch);
  static void WithdrawAll(std::span<RequestPtr> submitted);
  void Enqueue(std::span<RequestPtr> submitted, std::span<Status> outcomes);
  // What the cache has no answer to. What it can answer ends at once.
  void EnqueueMissed(std::span<RequestPtr> submitted, std::span<Status> outcomes);

  const std::string name_;
  const std::string space_;
  std::string directory_;
  const int64_t version_;
  const std::shared_ptr<Backend> backend_;  // null: an ensemble
  const FindModel find_model_;
  const bool auto_complete_;
  const HostPolicies host_policies_;
  const std::shared_ptr<Gpus> gpus_;
  const std::shared_ptr<Timer> timer_;
  const std::shared_ptr<Executors> executors_;
  const std::shared_ptr<ExecutionLimiter> limiter_;
  const std::shared_ptr<ResponseCache> server_cache_;
  const bool latency_histograms_;
  const std::shared_ptr<const BatchHost> batch_host_;
  void* const server_;
  const std::shared_ptr<Logger> logger_;

  ModelSignature signature_;
  ModelStatistics statistics_;
  std::unique_ptr<BatchStrategy> strategy_;  // usually null
  std::shared_ptr<ResponseOrder> order_;     // null: responses go as they come
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<ModelCache> cache_;                // null: off for this model
  std::shared_ptr<Histogram> first_response_;        // null: not kept
  std::shared_ptr<const StateSpecs> hosted_states_;  // with a batch host; null: the model has none
  Mutex batch_turn_;
  uint64_t load_ns_ = 0;
  bool initialized_ = false;
  bool initializing_ = false;

  std::atomic<bool> accepting_{false};
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<bool> threads_started_{false};
  std::atomic<bool> may_run_inline_{true};
  mutable Mutex mutex_;  // starting threads, draining, memory usage
  CondVar drained_;
  std::shared_ptr<const ModelConfig> config_ GUARDED_BY(mutex_);
  uint64_t reservations_ GUARDED_BY(mutex_) = 0;
  bool draining_ GUARDED_BY(mutex_) = false;
  // Shared with those who ask them something while they may be removed.
  std::vector<std::shared_ptr<ModelInstance>> instances_ GUARDED_BY(mutex_);
  // Indices of those that have left service, or are about to: their threads are not to be started.
  std::set<size_t> leaving_ GUARDED_BY(mutex_);
  std::atomic<bool> on_devices_{false};
  // Null: some instance works. What it has pointed to goes with the model.
  std::atomic<const Status*> out_of_service_{nullptr};
  std::deque<Status> reasons_ GUARDED_BY(mutex_);
  size_t counted_instances_ GUARDED_BY(mutex_) = 0;  // at the executors
  // The instances the scheduler knows, by its index; null: removed. A full table is replaced by one
  // twice its size, so that the inline lane reads it without a lock; old tables go with the model.
  std::atomic<ModelInstance* const*> active_{nullptr};
  std::vector<std::vector<ModelInstance*>> active_tables_ GUARDED_BY(mutex_);
  std::map<const void*, std::vector<BufferAttributes>> memory_usage_ GUARDED_BY(mutex_);
  std::map<int32_t, Mutex> device_turns_ GUARDED_BY(mutex_);
  mutable Mutex labels_mutex_;  // apart, as a scrape takes no lock that requests take
  std::shared_ptr<const ModelLabels> metric_labels_ GUARDED_BY(labels_mutex_);
};

}  // namespace trident
