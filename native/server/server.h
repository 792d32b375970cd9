#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "memory/memory_pools.h"
#include "metrics/cpu_usage.h"
#include "metrics/gpu_usage.h"
#include "model/backend.h"
#include "repository/repository.h"
#include "server/device_watch.h"
#include "server/latency_metrics.h"
#include "server/options.h"

namespace trident {

/* Options put together into a running server; the object behind TRITONSERVER_Server. Several may
 * live in one process; they share nothing but the libraries they load.
 *
 *     Create --> kReady --Stop--> kExiting --(all requests ended)--> kStopped
 *        |                           ^
 *        +--> kFailed --Stop---------+     (a repository that can't be read, without exit_on_error)
 *
 * Thread-safe; may be destroyed once Stop has succeeded. */
class Server {
 public:
  // Loads what the control mode says. With exit_on_error, a model that fails to load fails the
  // server.
  static Result<std::unique_ptr<Server>> Create(const ServerOptions& options);
  ~Server();

  // Refuses new work, unloads everything, waits for requests up to the exit timeout. INTERNAL when
  // that expires; then it may be called again.
  Status Stop();
  // The first part of Stop: no load begins any more, and those under way end at their next step.
  void EndLoads() { repository_.BeginStop(); }
  void SetExitTimeoutMs(uint64_t timeout_ms) { exit_timeout_ms_.store(timeout_ms); }
  Logger& logger() { return *logger_; }

  // Inference ------------------------------------------------------------------------------------
  Result<std::shared_ptr<InferenceTarget>> FindModel(const std::string& name,
                                                     int64_t version) const;
  // OK: the request is the server's until its release callback. Otherwise it stays the caller's.
  Status InferAsync(InferenceRequest* request);
  // The same for many at once; those of one model reach its queue together, or execute together on
  // the calling thread, as TRITONSERVER_TridentServerInferAsyncMany says.
  void InferAsyncMany(std::span<InferenceRequest*> requests, uint64_t budget_ns,
                      std::span<Status> outcomes);
  // May execute on the calling thread; see TRITONSERVER_TridentServerInferInline.
  Status InferInline(InferenceRequest* request, uint64_t budget_ns, bool* ran_inline);
  // With a batch host only; see TRITONSERVER_TridentServerExecuteBatch.
  Status ExecuteBatch(std::span<InferenceRequest* const> requests);

  // Models ----------------------------------------------------------------------------------------
  Status LoadModel(const std::string& name, const std::vector<Parameter>& parameters);
  // As TRITONSERVER_TridentServerLoadProvidedModel says.
  Status LoadProvidedModel(const std::string& name, const std::string& config);
  // As TRITONSERVER_TridentServerLoadHostedModel says.
  Status LoadHostedModel(const std::string& name, const ProvidedModel& model);
  // `dependents`: also the models of an ensemble's steps that nobody else needs.
  Status UnloadModel(const std::string& name, bool dependents);
  Status UnloadModelAndWait(const std::string& name, bool dependents, uint64_t timeout_ms);
  Status PollRepository();
  Status RegisterRepository(const std::string& path,
                            const std::map<std::string, std::string>& mapping);
  Status UnregisterRepository(const std::string& path);

  // What can be asked -----------------------------------------------------------------------------
  Status IsLive(bool* live) const;
  Status IsReady(bool* ready) const;
  Status ModelIsReady(const std::string& name, int64_t version, bool* ready) const;
  Result<std::shared_ptr<Model>> ModelFor(const std::string& name, int64_t version) const;
  // JSON texts in Triton's shapes.
  Result<std::string> Metadata() const;
  Result<std::string> ModelMetadata(const std::string& name, int64_t version) const;
  Result<std::string> ModelStatistics(const std::string& name, int64_t version) const;
  Result<std::string> ModelConfigText(const std::string& name, int64_t version) const;
  Result<std::string> ModelIndex(bool ready_only) const;
  // In Prometheus' text format: what this server measures, and the custom metrics of the process.
  // Also of a server that is not ready or measures nothing.
  std::string Metrics();

 private:
  enum class State { kReady, kFailed, kExiting, kStopped };
  class ManagementCall;

  Server(const ServerOptions& options, std::shared_ptr<ResponseCache> cache,
         std::shared_ptr<Logger> logger);
  Status LoadStartupModels();
  Status CheckExplicit() const;
  Status CheckMayUnload(const std::string& name) const;
  Status CheckReady() const;
  // Checks `request` against the model it will run on, looking the model up again if the one it was
  // made for has left service.
  // On success the request is claimed, to be submitted to that model.
  Result<std::shared_ptr<Model>> PrepareFor(InferenceRequest* request) const;
  Result<std::shared_ptr<Model>> PrepareClaimed(InferenceRequest* request) const;
  Status SubmitOne(InferenceRequest* request, Model& model);
  Status SubmitToSuccessor(InferenceRequest* request);

  const ServerOptions options_;
  const std::shared_ptr<Logger> logger_;
  const LatencyMetrics latency_metrics_;
  const std::shared_ptr<ResponseCache> cache_;  // null: none
  const std::unique_ptr<CpuUsage> cpu_;         // null: not asked for
  const std::unique_ptr<GpuUsage> gpu_;         // null: not asked for
  const std::shared_ptr<DeviceWatch> devices_;
  const std::shared_ptr<MemoryPools> pools_;
  BackendManager backends_;
  ModelLocations locations_;
  ModelLoader loader_;
  ModelRepository repository_;

  std::atomic<State> state_{State::kReady};
  std::atomic<uint64_t> exit_timeout_ms_;
  mutable Mutex mutex_;
  mutable CondVar calls_changed_;
  mutable unsigned management_calls_ GUARDED_BY(mutex_) = 0;
};

}  // namespace trident
