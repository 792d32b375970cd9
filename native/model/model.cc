#include "model/model.h"

#include <algorithm>
#include <system_error>

#include "base/clock.h"
#include "config/complete.h"
#include "config/validate.h"
#include "model/batch_strategy.h"
#include "model/ensemble.h"
#include "model/golden_samples.h"
#include "model/instances.h"
#include "model/labels.h"
#include "model/make_scheduler.h"
#include "model/plugin_file.h"
#include "model/plugin_status.h"
#include "model/supported.h"
#include "scheduler/ensemble_scheduler.h"
#include "scheduler/sequence_policy.h"

namespace trident {
namespace {

// Far beyond what any machine has cores for: a larger number is a slip, and would exhaust memory.
constexpr int64_t kMaxInstances = 4096;

}  // namespace

Model::Model(ModelSource source)
    : name_(source.config.name),
      space_(source.space),
      directory_(std::move(source.directory)),
      version_(source.version),
      backend_(std::move(source.backend)),
      find_model_(std::move(source.find_model)),
      auto_complete_(source.auto_complete),
      host_policies_(std::move(source.host_policies)),
      gpus_(std::move(source.gpus)),
      timer_(std::move(source.timer)),
      executors_(std::move(source.executors)),
      limiter_(std::move(source.limiter)),
      server_cache_(std::move(source.cache)),
      latency_histograms_(source.latency_histograms),
      batch_host_(std::move(source.batch_host)),
      server_(source.server),
      logger_(std::move(source.logger)),
      config_(std::make_shared<const ModelConfig>(std::move(source.config))) {
  if (source.latency_summaries) statistics_.KeepSummaries();
}

// A model that was loaded has been drained; the threads of one that was not must not wait for ever.
Model::~Model() {
  if (scheduler_ != nullptr) scheduler_->Stop();
  Finalize();
}

Result<std::shared_ptr<Model>> Model::Load(ModelSource source) {
  const uint64_t start_ns = NowNs();
  std::shared_ptr<Model> model(new Model(std::move(source)));
  TRIDENT_RETURN_IF_ERROR(model->Initialize());
  model->load_ns_ = NowNs() - start_ns;
  model->accepting_.store(true);
  return model;
}

Status Model::Initialize() {
  TRIDENT_RETURN_IF_ERROR(CheckSupported(*config()));
  const bool ensemble = config()->ensemble_scheduling.has_value();
  TRIDENT_RETURN_IF_ERROR(ensemble ? InitializeEnsemble() : InitializeBackend());
  const std::shared_ptr<const ModelConfig> complete = config();
  TRIDENT_RETURN_IF_ERROR(Validate(*complete));  // again: the plug-in may have completed it
  TRIDENT_RETURN_IF_ERROR(ValidateTensors(*complete));
  TRIDENT_RETURN_IF_ERROR(CheckSupported(*complete));
  signature_ = SignatureOf(*complete, version_);
  if (batch_host_ != nullptr) signature_.KeepBackendForm();
  TRIDENT_RETURN_IF_ERROR(ReadLabels(*complete, directory_, &signature_));
  if (server_cache_ != nullptr && complete->response_cache && complete->response_cache->enable) {
    cache_ = std::make_shared<ModelCache>(server_cache_, StrCat(identity().Text(), " ", version_),
                                          statistics_, logger_);
  }
  LabelMetrics(*complete);
  if (latency_histograms_) {
    first_response_ = std::make_shared<Histogram>(FirstResponseBounds(*complete, *logger_));
  }
  if (ensemble) {
    scheduler_ = std::make_unique<EnsembleScheduler>(
        *complete, SchedulerContext{signature_, Clock::System(), timer_, logger_},
        StepFinder(*complete, find_model_));
    return Status::Ok();
  }
  BatchStrategySource strategy_source = {directory_, PluginDirectories(directory_, version_),
                                         backend_->library_path()};
  strategy_source.search_paths.push_back(backend_->directory());
  TRIDENT_ASSIGN_OR_RETURN(strategy_,
                           LoadBatchStrategy(*complete, strategy_source, handle(), *logger_));
  if (batch_host_ != nullptr && complete->sequence_batching) {
    TRIDENT_ASSIGN_OR_RETURN(const SequencePolicy policy,
                             MakeSequencePolicy(*complete, directory_));
    hosted_states_ = policy.states;
  }
  order_ = MakeResponseOrder(*complete);
  TRIDENT_ASSIGN_OR_RETURN(scheduler_, MakeScheduler(*complete,
                                                     {signature_, Clock::System(), timer_, logger_,
                                                      order_, backend_->never_blocks()},
                                                     directory_, strategy_.get()));
  return CreateInstances(*complete);
}

Status Model::InitializeBackend() {
  if (auto* initialize = backend_->entry_points().model_initialize) {
    initialized_ = true;  // Triton finalises what failed to initialise, too
    initializing_ = true;
    const Status status = CallPlugin(initialize, handle());
    initializing_ = false;
    TRIDENT_RETURN_IF_ERROR(status);
  }
  initialized_ = true;
  return Status::Ok();
}

Status Model::InitializeEnsemble() {
  ModelConfig complete = *config();
  TRIDENT_ASSIGN_OR_RETURN(const GoldenSamples golden, GoldenSamples::Read(complete, directory_));
  if (!golden.empty()) {
    return InvalidArg("model '", name_, "': golden samples are for instances, and an ensemble has ",
                      "none; keep them with the models of its steps");
  }
  TRIDENT_ASSIGN_OR_RETURN(const auto models, FindSteps(complete, find_model_));
  std::vector<std::shared_ptr<const ModelConfig>> steps;
  for (const auto& model : models) steps.push_back(model->config());
  TRIDENT_RETURN_IF_ERROR(CompleteEnsemble(steps, &complete));
  threads_started_.store(true);  // it has no instances
  MutexLock lock(mutex_);
  config_ = std::make_shared<const ModelConfig>(std::move(complete));
  return Status::Ok();
}

Status Model::SetAutoCompleted(const ModelConfig& from_backend) {
  if (!initializing_ || !auto_complete_) {
    return Unsupported("the configuration of model '", name_,
                       "' can only be set while the model initializes, with auto-completion on");
  }
  ModelConfig merged = *config();
  TRIDENT_RETURN_IF_ERROR(MergeAutoCompleted(&merged, from_backend));
  MutexLock lock(mutex_);
  config_ = std::make_shared<const ModelConfig>(std::move(merged));
  return Status::Ok();
}

std::shared_ptr<const ModelConfig> Model::config() const {
  MutexLock lock(mutex_);
  return config_;
}

std::shared_ptr<const ModelLabels> Model::metric_labels() const {
  MutexLock lock(labels_mutex_);
  return metric_labels_;
}

void Model::LabelMetrics(const ModelConfig& config) {
  auto labels = std::make_shared<const ModelLabels>(
      MetricLabelsOf(config, identity(), version_, GpuUuidOf(config)));
  MutexLock lock(labels_mutex_);
  metric_labels_ = std::move(labels);
}

Mutex& Model::DeviceTurn(int32_t device_id) {
  MutexLock lock(mutex_);
  return device_turns_[device_id];
}

Status Model::CheckInstanceCount(const ModelConfig& config) const {
  int64_t count = 0;
  for (const InstanceGroup& group : config.instance_group) {
    const bool on_gpus = group.kind == InstanceGroupKind::kGpu;
    count += int64_t{group.count} * (on_gpus ? static_cast<int64_t>(group.gpus.size()) : 1);
  }
  if (count <= kMaxInstances) return Status::Ok();
  return InvalidArg("model '", name_, "' asks for ", count,
                    " instances in its instance groups; at most ", kMaxInstances, " are allowed");
}

Status Model::CreateInstances(const ModelConfig& config) {
  TRIDENT_RETURN_IF_ERROR(CheckInstanceCount(config));
  GoldenSamples golden;
  if (batch_host_ == nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(golden, GoldenSamples::Read(config, directory_));
  }
  bool any_active = false;
  for (ModelInstance::Description& description : DescribeInstances(config, host_policies_)) {
    // The host numbers its instances itself.
    if (batch_host_ != nullptr) description.name = config.instance_group.front().name;
    const std::string name = description.name;
    const bool first_active = !any_active && !description.passive;
    auto instance =
        ModelInstance::Create(this, std::move(description), first_active ? &golden : nullptr);
    if (!instance.ok()) {
      return instance.status().WithPrefix(StrCat("instance '", name, "' failed to initialize: "));
    }
    MutexLock lock(mutex_);
    instances_.push_back(std::move(instance).value());
    if (instances_.back()->description().passive) continue;
    AddActive(instances_.back().get());
    any_active = true;
  }
  if (!any_active) return InvalidArg("model '", name_, "' has no instance that is not passive");
  std::vector<LostInstance> lost;
  {
    MutexLock lock(mutex_);
    CountInstances();
    lost = TakeOutLost();
  }
  Lose(lost);
  return Health();
}

void Model::AddActive(ModelInstance* instance) {
  const ModelInstance::Description& description = instance->description();
  if (description.kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    if (!on_devices_.exchange(true)) cuda::ListenToDevices(weak_from_this());
  }
  if (!instance->may_run_inline()) may_run_inline_.store(false);
  if (active_tables_.empty() || active_tables_.back().size() == active_tables_.back().capacity()) {
    std::vector<ModelInstance*> table;
    table.reserve(active_tables_.empty() ? 4 : 2 * active_tables_.back().size());
    if (!active_tables_.empty()) {
      table.insert(table.end(), active_tables_.back().begin(), active_tables_.back().end());
    }
    active_tables_.push_back(std::move(table));
  }
  // In the table before the scheduler knows of it: from then on the inline lane may look it up.
  active_tables_.back().push_back(instance);
  active_.store(active_tables_.back().data(), std::memory_order_release);
  instance->BeginService(scheduler_.get(), active_tables_.back().size() - 1, executors_.get());
}

void Model::CountInstances() {
  const auto now = static_cast<size_t>(
      std::count_if(instances_.begin(), instances_.end(),
                    [](const auto& instance) { return instance->at_executors(); }));
  executors_->CountInstances(std::exchange(counted_instances_, now), now);
}

Status Model::StartThreads() {
  if (threads_started_.load(std::memory_order_acquire)) return Status::Ok();
  MutexLock lock(mutex_);
  if (threads_started_.load(std::memory_order_relaxed)) return Status::Ok();
  // A model that drains may lose its instances at any time, and a request without threads would
  // wait for ever.
  if (draining_) return Unavailable("model '", name_, "' is being unloaded");
  // What has no thread stays usable by the inline lane; the next Submit tries again.
  TRIDENT_RETURN_IF_ERROR(executors_->Start().WithPrefix(StrCat("model '", name_, "' ")));
  const std::vector<ModelInstance*>& active = active_tables_.back();
  try {
    for (size_t i = 0; i < active.size(); ++i) {
      if (active[i] == nullptr || leaving_.count(i) > 0) continue;
      if (active[i]->needs_thread()) active[i]->StartThread();
    }
  } catch (const std::system_error& error) {
    return Unavailable("model '", name_,
                       "' can't start a thread for each instance: ", error.what());
  }
  threads_started_.store(true, std::memory_order_release);
  return Status::Ok();
}

void Model::RequestEnded() {
  if (in_flight_.fetch_sub(1) == 1 && !accepting_.load()) {
    MutexLock lock(mutex_);
    drained_.NotifyAll();
  }
}

std::shared_ptr<MemoryPools> Model::memory_pools() const {
  return backend_ == nullptr ? nullptr : backend_->pools();
}

void Model::CancelQueued(InferenceRequest* request) { scheduler_->Cancel(request); }

bool Model::Reserve() {
  MutexLock lock(mutex_);
  if (!accepting()) return false;
  ++reservations_;
  return true;
}

void Model::Unreserve() {
  MutexLock lock(mutex_);
  if (--reservations_ == 0) drained_.NotifyAll();
}

void Model::Close() {
  MutexLock lock(mutex_);  // not in the middle of StartThreads
  accepting_.store(false);
}

void Model::Drain() {
  Close();
  {
    MutexLock lock(mutex_);
    while (reservations_ != 0) drained_.Wait(mutex_);
    draining_ = true;
  }
  scheduler_->Stop();
  {
    MutexLock lock(mutex_);
    while (in_flight_.load() != 0) drained_.Wait(mutex_);
  }
  Finalize();
}

void Model::Finalize() {
  std::vector<std::shared_ptr<ModelInstance>> instances;
  {
    MutexLock lock(mutex_);
    instances.swap(instances_);
    // Whoever hears of a lost device looks at them still.
    if (!active_tables_.empty()) std::ranges::fill(active_tables_.back(), nullptr);
    memory_usage_.clear();
    CountInstances();
  }
  while (!instances.empty()) instances.pop_back();
  strategy_ = nullptr;
  if (backend_ == nullptr) return;
  auto* finalize = backend_->entry_points().model_finalize;
  if (!initialized_ || finalize == nullptr) return;
  initialized_ = false;
  const Status status = CallPlugin(finalize, handle());
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "model '", name_, "' version ", version_,
                " failed to finalize: ", status.message());
  }
}

Status Model::Ready() {
  std::vector<std::shared_ptr<ModelInstance>> instances;
  {
    // Counted as a request, so that no drain takes the instances away meanwhile.
    MutexLock lock(mutex_);
    if (!accepting()) return Unavailable("model '", name_, "' is being unloaded");
    RequestStarted();
    instances = instances_;
  }
  Status status = Health();
  for (const auto& instance : instances) {
    // The others go on without one whose device is lost.
    if (status.ok() && instance->Health().ok()) status = instance->Ready();
  }
  instances.clear();
  RequestEnded();
  return status;
}

void Model::ReportMemoryUsage(const void* owner, std::vector<BufferAttributes> rows) {
  MutexLock lock(mutex_);
  memory_usage_[owner] = std::move(rows);
}

std::vector<BufferAttributes> Model::MemoryUsage() const {
  std::map<std::pair<MemoryType, int64_t>, uint64_t> totals;
  {
    MutexLock lock(mutex_);
    for (const auto& [owner, rows] : memory_usage_) {
      for (const BufferAttributes& row : rows) {
        totals[{row.memory_type, row.memory_type_id}] += row.byte_size;
      }
    }
  }
  std::vector<BufferAttributes> out;
  for (const auto& [place, byte_size] : totals) {
    out.push_back({place.first, place.second, byte_size});
  }
  return out;
}

}  // namespace trident
