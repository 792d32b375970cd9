#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/timer.h"
#include "config/model_config.h"
#include "inference/target.h"
#include "model/backend.h"
#include "model/model_instance.h"
#include "scheduler/scheduler.h"

namespace trident {

using HostPolicies = std::map<std::string, std::map<std::string, std::string>>;

// What it takes to load one version of a model.
struct ModelSource {
  ModelConfig config;     // complete but for what the backend may add; normalised and validated
  std::string directory;  // of the model, with its version directories
  int64_t version = 0;
  std::shared_ptr<Backend> backend;
  bool auto_complete = false;
  HostPolicies host_policies;
  std::shared_ptr<Timer> timer;
  void* server = nullptr;  // what TRITONBACKEND_ModelServer returns
  std::shared_ptr<Logger> logger;
};

/* One loaded version of a model; the object behind TRITONBACKEND_Model.
 *
 *     Load --> serving --Drain--> no new requests --(last request ends)--> finalised
 *
 * After Drain the object stays valid for whoever still holds it, but refuses requests.
 * Thread-safe, except for what the plug-in touches while it initialises the model. */
class Model : public InferenceTarget, public std::enable_shared_from_this<Model> {
 public:
  static Result<std::shared_ptr<Model>> Load(ModelSource source);
  ~Model() override;

  // True: the calling thread has executed the request. False: nothing happened; use Submit.
  bool RunInline(InferenceRequest* request);

  // From here on who asks for the model is sent elsewhere; requests already here go on.
  void Close();
  // Closes, refuses new requests, waits until every accepted one has ended, then finalises
  // instances and model. Call once, not from a callback of this model.
  void Drain();
  bool accepting() const { return accepting_.load(std::memory_order_acquire); }
  // OK, or the first instance's reason for not being ready.
  Status Ready();

  // InferenceTarget
  const ModelSignature& signature() const override { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override { in_flight_.fetch_add(1, std::memory_order_relaxed); }
  void RequestEnded() override;
  void Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) override;
  bool Reserve() override;
  void Unreserve() override;
  void CancelQueued(InferenceRequest* request) override;

  // For the plug-in and the documents
  // -------------------------------------------------------------- Replaced as a whole when only
  // the instances change.
  std::shared_ptr<const ModelConfig> config() const;
  const std::string& name() const { return name_; }
  std::string& directory() { return directory_; }
  int64_t version() const { return version_; }
  Backend& backend() { return *backend_; }
  void* server() const { return server_; }
  Logger& logger() { return *logger_; }
  bool auto_complete() const { return auto_complete_; }
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
  Status CreateInstances(const ModelConfig& config);
  void AddActive(ModelInstance* instance) REQUIRES(mutex_);
  void Finalize();
  Status StartThreads();

  const std::string name_;
  std::string directory_;
  const int64_t version_;
  const std::shared_ptr<Backend> backend_;
  const bool auto_complete_;
  const HostPolicies host_policies_;
  const std::shared_ptr<Timer> timer_;
  void* const server_;
  const std::shared_ptr<Logger> logger_;

  ModelSignature signature_;
  ModelStatistics statistics_;
  std::unique_ptr<Scheduler> scheduler_;
  bool initialized_ = false;
  bool initializing_ = false;

  std::atomic<bool> accepting_{false};
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<bool> threads_started_{false};
  mutable Mutex mutex_;  // starting threads, draining, memory usage
  CondVar drained_;
  std::shared_ptr<const ModelConfig> config_ GUARDED_BY(mutex_);
  uint64_t reservations_ GUARDED_BY(mutex_) = 0;
  bool draining_ GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<ModelInstance>> instances_ GUARDED_BY(mutex_);
  // The instances the scheduler knows, by its index; null: removed. Grown by replacing the table,
  // so that the inline lane reads it without a lock; old tables go with the model.
  std::atomic<ModelInstance* const*> active_{nullptr};
  std::vector<std::vector<ModelInstance*>> active_tables_ GUARDED_BY(mutex_);
  std::map<const void*, std::vector<BufferAttributes>> memory_usage_ GUARDED_BY(mutex_);
};

}  // namespace trident
