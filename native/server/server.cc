#include "server/server.h"

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/scratch.h"
#include "server/cache_options.h"
#include "server/management_call.h"

namespace trident {
namespace {

Status CheckOptions(const ServerOptions& options) {
  if (options.repository_paths.empty() && !options.batch_host) {
    return InvalidArg("a model repository path must be given");
  }
  if (options.repo_agent_directory.empty()) {
    return InvalidArg("--repoagent-directory can not be empty");
  }
  if (options.cache_configs.size() > 1) {
    return InvalidArg("found ", options.cache_configs.size(),
                      " cache configurations, but a server takes a single cache");
  }
  if (options.startup_models.size() > 1 && options.startup_models.count("*") > 0) {
    return InvalidArg(
        "Wildcard model name '*' must be the ONLY startup model if specified at all.");
  }
  return Status::Ok();
}

std::shared_ptr<ExecutionLimiter> MakeLimiter(const ServerOptions& options) {
  if (options.rate_limit_mode == RateLimitMode::kOff) return nullptr;
  return std::make_shared<ExecutionLimiter>(options.rate_limit_resources);
}

std::shared_ptr<MemoryPools> MakePools(const ServerOptions& options) {
  return std::make_shared<MemoryPools>(
      MemoryPools::Options{.pinned_bytes = options.pinned_pool_bytes,
                           .device_bytes = options.cuda_pool_bytes,
                           .default_device_bytes = ServerOptions::kDefaultCudaPoolBytes});
}

std::shared_ptr<Gpus> MakeGpus(const ServerOptions& options, std::shared_ptr<Logger> logger) {
  return std::make_shared<Gpus>(
      Gpus::Options{.min_compute_capability = options.min_compute_capability,
                    .peer_access = options.peer_access,
                    .load_limits = options.gpu_load_limits},
      std::move(logger));
}

ModelLoader::Options LoaderOptions(const ServerOptions& options, const LatencyMetrics& metrics,
                                   std::shared_ptr<ResponseCache> cache,
                                   std::shared_ptr<Logger> logger, Server* server) {
  const auto timer = std::make_shared<TimerThread>(Clock::System());
  const uint64_t spin_ns = std::min(options.spin_us, kNever / 1000) * 1000;
  return {.auto_complete = !options.strict_model_config,
          .config_name = options.model_config_name,
          .agent_directory = options.repo_agent_directory,
          .thread_count = options.load_thread_count,
          .retry_count = options.load_retry_count,
          .host_policies = options.host_policies,
          .gpus = MakeGpus(options, std::move(logger)),
          .timer = timer,
          .executors =
              std::make_shared<Executors>(Executors::Options{.timer = timer, .spin_ns = spin_ns}),
          .limiter = MakeLimiter(options),
          .cache = std::move(cache),
          .latency_summaries = metrics.summaries,
          .latency_histograms = metrics.histograms,
          .batch_host =
              options.batch_host ? std::make_shared<const BatchHost>(options.batch_host) : nullptr,
          .server = server};
}

// Only polls watch files: in the other modes a load takes what the host has put there.
ModelRepository::Options RepositoryOptions(const ServerOptions& options) {
  ModelRepository::Options out;
  if (options.control_mode == ModelControlMode::kPoll) {
    out.settle_ns = std::min(options.poll_settle_ms, kNever / 2'000'000) * 1'000'000;
  }
  out.listener = options.model_event_listener;
  return out;
}

// Null unless `wanted`.
template <typename Usage>
std::unique_ptr<Usage> MakeUsage(const ServerOptions& options, bool wanted) {
  if (!options.metrics || !wanted) return nullptr;
  return std::make_unique<Usage>(std::min(options.metrics_interval_ms, kNever / 1'000'000) *
                                 1'000'000);
}

std::shared_ptr<Logger> MakeLogger(const ServerOptions& options) {
  auto logger = std::make_shared<Logger>(options.log);
  Logger::SetCurrent(logger);
  return logger;
}

}  // namespace

Server::Server(const ServerOptions& options, std::shared_ptr<ResponseCache> cache,
               std::shared_ptr<Logger> logger)
    : options_(options),
      logger_(std::move(logger)),
      latency_metrics_(ReadLatencyMetrics(options, *logger_)),
      cache_(std::move(cache)),
      cpu_(MakeUsage<CpuUsage>(options, options.cpu_metrics)),
      gpu_(MakeUsage<GpuUsage>(options, options.gpu_metrics)),
      devices_(std::make_shared<DeviceWatch>(options.device_event_listener, logger_)),
      pools_(MakePools(options)),
      backends_({options.backend_directory, options.backends, options.backend_configs,
                 !options.strict_model_config, options.min_compute_capability, pools_},
                logger_),
      locations_(options.repository_paths, options.model_namespacing),
      loader_(LoaderOptions(options, latency_metrics_, cache_, logger_, this), locations_,
              backends_, logger_),
      repository_(RepositoryOptions(options), locations_, loader_, logger_),
      exit_timeout_ms_(options.exit_timeout_ms) {
  cuda::ListenToDevices(devices_);
}

Server::~Server() { devices_->End(); }

Result<std::unique_ptr<Server>> Server::Create(const ServerOptions& options) {
  TRIDENT_RETURN_IF_ERROR(CheckOptions(options));
  std::shared_ptr<Logger> logger = MakeLogger(options);
  TRIDENT_ASSIGN_OR_RETURN(auto cache, MakeResponseCache(options, logger));
  std::unique_ptr<Server> server(new Server(options, std::move(cache), std::move(logger)));
  const Status status = server->LoadStartupModels();
  if (status.ok()) return server;
  if (!options.exit_on_error) {
    TRIDENT_LOG(*server->logger_, LogLevel::kError, status.message());
    return server;
  }
  // No requests, but models that did load and now drain: they must be gone before the server is.
  (void)server->repository_.Stop(kNever);
  return status;
}

Status Server::LoadStartupModels() {
  // A repository that can't be read is another matter than a model that can't be loaded.
  if (const auto on_disk = locations_.All(); !on_disk.ok()) {
    state_.store(State::kFailed);
    return on_disk.status();
  }
  const bool all = options_.control_mode != ModelControlMode::kExplicit ||
                   options_.startup_models.count("*") > 0;
  return repository_.LoadAll(all ? std::nullopt : std::optional(options_.startup_models));
}

Status Server::Stop() {
  if (state_.load() == State::kStopped) return Status::Ok();
  state_.store(State::kExiting);
  const uint64_t deadline = DeadlineIn(exit_timeout_ms_.load());
  repository_.BeginStop();
  {
    MutexLock lock(mutex_);
    while (management_calls_ != 0) {
      if (NowNs() >= deadline) return Internal("exit timeout expired during a management call");
      Clock::System().WaitUntil(calls_changed_, mutex_, deadline);
    }
  }
  TRIDENT_RETURN_IF_ERROR(repository_.Stop(deadline));
  state_.store(State::kStopped);
  return Status::Ok();
}

Result<std::shared_ptr<InferenceTarget>> Server::FindModel(const std::string& name,
                                                           int64_t version) const {
  TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<Model> model, repository_.Find(name, version));
  return std::shared_ptr<InferenceTarget>(std::move(model));
}

Result<std::shared_ptr<Model>> Server::PrepareFor(InferenceRequest* request) const {
  if (!request->Claim()) {
    return InvalidArg(request->LogPrefix(),
                      "the request is in flight and can't be submitted again");
  }
  try {
    Result<std::shared_ptr<Model>> model = PrepareClaimed(request);
    if (!model.ok()) request->Unclaim();
    return model;
  } catch (const std::bad_alloc&) {
    request->Unclaim();
    return Unavailable("not enough memory to prepare a request");
  }
}

Result<std::shared_ptr<Model>> Server::PrepareClaimed(InferenceRequest* request) const {
  if (options_.batch_host) {
    return Unsupported("the server executes the batches of its host and schedules no requests");
  }
  auto model = std::static_pointer_cast<Model>(request->target());
  if (!model->accepting()) {
    TRIDENT_ASSIGN_OR_RETURN(model,
                             repository_.Find(model->identity(), request->requested_version()));
    request->Rebind(model);
  }
  TRIDENT_RETURN_IF_ERROR(request->Prepare());
  return model;
}

Status Server::InferAsync(InferenceRequest* request) {
  bool ignored = false;
  return InferInline(request, options_.inline_budget_ns, &ignored);
}

Status Server::SubmitOne(InferenceRequest* request, Model& model) {
  Status outcome;
  model.Submit({&request, 1}, {&outcome, 1});
  return outcome.ok() || model.accepting() ? outcome : SubmitToSuccessor(request);
}

// A reload may close a queue between the look-up of its model and the submission; so may the next
// reload with the successor's.
Status Server::SubmitToSuccessor(InferenceRequest* request) {
  for (;;) {
    TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> successor, PrepareFor(request));
    Status outcome;
    successor->Submit({&request, 1}, {&outcome, 1});
    if (outcome.ok() || successor->accepting()) return outcome;
  }
}

void Server::InferAsyncMany(std::span<InferenceRequest*> requests, uint64_t budget_ns,
                            std::span<Status> outcomes) {
  if (requests.size() == 1) {
    bool ignored = false;
    outcomes[0] = InferInline(requests[0], budget_ns, &ignored);
    return;
  }
  Scratch<std::shared_ptr<Model>> models(requests.size());
  Scratch<size_t> members;
  Scratch<InferenceRequest*> group;
  Scratch<Status> group_outcomes;
  // Nothing may fail any more once requests have been claimed.
  members->reserve(requests.size());
  group->reserve(requests.size());
  group_outcomes->reserve(requests.size());
  size_t waiting = 0;  // for their group
  for (size_t i = 0; i < requests.size(); ++i) {
    Result<std::shared_ptr<Model>> model = PrepareFor(requests[i]);
    outcomes[i] = model.status();
    if (!model.ok()) continue;
    models[i] = std::move(model).value();
    ++waiting;
  }
  for (size_t first = 0; first < requests.size(); ++first) {
    if (models[first] == nullptr) continue;
    const std::shared_ptr<Model> model = models[first];
    members->clear();
    group->clear();
    for (size_t i = first; i < requests.size(); ++i) {
      if (models[i] != model) continue;
      members->push_back(i);
      group->push_back(requests[i]);
      models[i] = nullptr;
    }
    waiting -= group->size();
    group_outcomes->assign(group->size(), Status::Ok());
    // One batch at most runs here, the last: the others are on their way by then.
    const bool may_run_inline = waiting == 0 && budget_ns > 0;
    if (!may_run_inline || !model->RunInline(*group, budget_ns, *group_outcomes)) {
      model->Submit(*group, *group_outcomes);
    }
    for (size_t i = 0; i < group->size(); ++i) {
      const bool closed = !group_outcomes[i].ok() && !model->accepting();
      outcomes[members[i]] = closed ? SubmitToSuccessor(group[i]) : std::move(group_outcomes[i]);
    }
  }
}

Status Server::InferInline(InferenceRequest* request, uint64_t budget_ns, bool* ran_inline) {
  TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, PrepareFor(request));
  Status outcome;
  *ran_inline = budget_ns > 0 && model->RunInline({&request, 1}, budget_ns, {&outcome, 1});
  return *ran_inline ? outcome : SubmitOne(request, *model);
}

Status Server::CheckReady() const {
  return state_.load() == State::kReady ? Status::Ok() : Unavailable("Server not ready");
}

Status Server::IsLive(bool* live) const {
  const State state = state_.load();
  *live = state == State::kReady;
  return *live || state == State::kFailed ? Status::Ok() : Unavailable("Server exiting");
}

Status Server::IsReady(bool* ready) const {
  *ready = false;
  TRIDENT_RETURN_IF_ERROR(IsLive(ready));
  if (!*ready || !options_.strict_readiness) return Status::Ok();
  *ready = repository_.AllReady();
  for (const auto& model : repository_.ReadyModels("")) {
    // One that is being unloaded meanwhile is away on purpose.
    *ready = *ready && (model->Ready().ok() || !model->accepting());
  }
  return Status::Ok();
}

Status Server::ModelIsReady(const std::string& name, int64_t version, bool* ready) const {
  const ManagementCall call(this);
  *ready = false;
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  const auto model = repository_.Find(name, version);
  // A version that exists but is not at the ready state is an answer, not an error.
  if (!model.ok() && model.status().code() == StatusCode::kUnavailable) return Status::Ok();
  if (!model.ok()) return model.status();
  *ready = (*model)->Ready().ok();
  return Status::Ok();
}

Result<std::shared_ptr<Model>> Server::ModelFor(const std::string& name, int64_t version) const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  return repository_.Find(name, version);
}

}  // namespace trident
