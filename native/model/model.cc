#include "model/model.h"

#include <algorithm>
#include <system_error>

#include "base/clock.h"
#include "config/complete.h"
#include "config/validate.h"
#include "model/instances.h"
#include "model/make_scheduler.h"
#include "model/plugin_status.h"
#include "model/supported.h"

namespace trident {
namespace {

// Far beyond what any machine has cores for: a larger number is a slip, and would exhaust memory.
constexpr int64_t kMaxInstances = 4096;

}  // namespace

Model::Model(ModelSource source)
    : name_(source.config.name),
      directory_(std::move(source.directory)),
      version_(source.version),
      backend_(std::move(source.backend)),
      auto_complete_(source.auto_complete),
      host_policies_(std::move(source.host_policies)),
      timer_(std::move(source.timer)),
      server_(source.server),
      logger_(std::move(source.logger)),
      config_(std::make_shared<const ModelConfig>(std::move(source.config))) {}

// A model that was loaded has been drained; the threads of one that was not must not wait for ever.
Model::~Model() {
  if (scheduler_ != nullptr) scheduler_->Stop();
  Finalize();
}

Result<std::shared_ptr<Model>> Model::Load(ModelSource source) {
  std::shared_ptr<Model> model(new Model(std::move(source)));
  TRIDENT_RETURN_IF_ERROR(model->Initialize());
  model->accepting_.store(true);
  return model;
}

Status Model::Initialize() {
  TRIDENT_RETURN_IF_ERROR(CheckSupported(*config()));
  if (auto* initialize = backend_->entry_points().model_initialize) {
    initialized_ = true;  // Triton finalises what failed to initialise, too
    initializing_ = true;
    const Status status = TakePluginError(initialize(handle()));
    initializing_ = false;
    TRIDENT_RETURN_IF_ERROR(status);
  }
  initialized_ = true;
  const std::shared_ptr<const ModelConfig> complete = config();
  TRIDENT_RETURN_IF_ERROR(Validate(*complete));  // again: the plug-in may have completed it
  TRIDENT_RETURN_IF_ERROR(ValidateTensors(*complete));
  TRIDENT_RETURN_IF_ERROR(CheckSupported(*complete));
  signature_ = SignatureOf(*complete, version_);
  TRIDENT_ASSIGN_OR_RETURN(scheduler_,
                           MakeScheduler(*complete, {signature_, Clock::System(), timer_}));
  return CreateInstances(*complete);
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

Status Model::CreateInstances(const ModelConfig& config) {
  int64_t count = 0;
  for (const InstanceGroup& group : config.instance_group) count += group.count;
  if (count > kMaxInstances) {
    return InvalidArg("model '", name_, "' asks for ", count,
                      " instances in its instance groups; at most ", kMaxInstances, " are allowed");
  }
  bool any_active = false;
  for (ModelInstance::Description& description : DescribeInstances(config, host_policies_)) {
    const std::string name = description.name;
    auto instance = ModelInstance::Create(this, std::move(description));
    if (!instance.ok()) {
      return instance.status().WithPrefix(StrCat("instance '", name, "' failed to initialize: "));
    }
    MutexLock lock(mutex_);
    instances_.push_back(std::move(instance).value());
    if (instances_.back()->description().passive) continue;
    AddActive(instances_.back().get());
    any_active = true;
  }
  if (any_active) return Status::Ok();
  return InvalidArg("model '", name_, "' has no instance that is not passive");
}

void Model::AddActive(ModelInstance* instance) {
  const size_t index = scheduler_->AddInstance();
  std::vector<ModelInstance*> table;
  if (!active_tables_.empty()) table = active_tables_.back();
  table.resize(index + 1);
  table[index] = instance;
  active_tables_.push_back(std::move(table));
  active_.store(active_tables_.back().data(), std::memory_order_release);
}

Status Model::StartThreads() {
  if (threads_started_.load(std::memory_order_acquire)) return Status::Ok();
  MutexLock lock(mutex_);
  if (threads_started_.load(std::memory_order_relaxed)) return Status::Ok();
  // A model that drains may lose its instances at any time, and a request without threads would
  // wait for ever.
  if (draining_) return Unavailable("model '", name_, "' is being unloaded");
  const std::vector<ModelInstance*>& active = active_tables_.back();
  try {
    for (size_t i = 0; i < active.size(); ++i) {
      if (active[i] != nullptr) active[i]->StartThread(scheduler_.get(), i);
    }
  } catch (const std::system_error& error) {
    // Instances without a thread stay usable by the inline lane; the next Submit tries again.
    return Unavailable("model '", name_,
                       "' can't start a thread for each instance: ", error.what());
  }
  threads_started_.store(true, std::memory_order_release);
  return Status::Ok();
}

void Model::Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) {
  if (Status status = StartThreads(); !status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), status);
    for (InferenceRequest* request : requests) request->Unclaim();
    return;
  }
  const uint64_t now = NowNs();
  // Most calls bring one request; only a whole turn's worth needs the heap.
  RequestPtr one;
  std::vector<RequestPtr> many;
  if (requests.size() > 1) many.resize(requests.size());
  const std::span<RequestPtr> submitted =
      requests.size() > 1 ? std::span<RequestPtr>(many) : std::span<RequestPtr>(&one, 1);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i]->Submit(now);
    submitted[i].reset(requests[i]);
  }
  scheduler_->Enqueue(submitted, outcomes);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (submitted[i] != nullptr) submitted[i].release()->Withdraw();
  }
}

bool Model::RunInline(InferenceRequest* request) {
  // This thread counts as a request of its own, so that a drain can't finalise the instance
  // between the end of the request and the end of Execute.
  RequestStarted();
  size_t index = 0;
  const bool claimed = scheduler_->TakeInline(&index);
  if (claimed) {
    request->Submit(NowNs());
    thread_local Batch batch;
    Batch mine;
    mine.swap(batch);  // a callback may come back here on the same thread
    mine.emplace_back(request);
    active_.load(std::memory_order_acquire)[index]->Execute(&mine);
    scheduler_->Finished(index);
    batch.swap(mine);
  }
  RequestEnded();
  return claimed;
}

void Model::RequestEnded() {
  if (in_flight_.fetch_sub(1) == 1 && !accepting_.load()) {
    MutexLock lock(mutex_);
    drained_.NotifyAll();
  }
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
  std::vector<std::unique_ptr<ModelInstance>> instances;
  {
    MutexLock lock(mutex_);
    instances.swap(instances_);
    memory_usage_.clear();
  }
  while (!instances.empty()) instances.pop_back();
  auto* finalize = backend_->entry_points().model_finalize;
  if (!initialized_ || finalize == nullptr) return;
  initialized_ = false;
  const Status status = TakePluginError(finalize(handle()));
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "model '", name_, "' version ", version_,
                " failed to finalize: ", status.message());
  }
}

Status Model::Ready() {
  std::vector<ModelInstance*> instances;
  {
    // Counted as a request, so that no drain takes the instances away meanwhile.
    MutexLock lock(mutex_);
    if (!accepting()) return Unavailable("model '", name_, "' is being unloaded");
    RequestStarted();
    for (const auto& instance : instances_) instances.push_back(instance.get());
  }
  Status status;
  for (ModelInstance* instance : instances) {
    if (status.ok()) status = instance->Ready();
  }
  RequestEnded();
  return status;
}

void Model::ReportMemoryUsage(const void* owner, std::vector<BufferAttributes> rows) {
  MutexLock lock(mutex_);
  memory_usage_[owner] = std::move(rows);
}

std::vector<BufferAttributes> Model::MemoryUsage() const {
  std::vector<BufferAttributes> total;
  MutexLock lock(mutex_);
  for (const auto& [owner, rows] : memory_usage_) {
    for (const BufferAttributes& row : rows) {
      const auto same = std::find_if(total.begin(), total.end(), [&](const BufferAttributes& t) {
        return t.memory_type == row.memory_type && t.memory_type_id == row.memory_type_id;
      });
      if (same == total.end()) {
        total.push_back(row);
      } else {
        same->byte_size += row.byte_size;
      }
    }
  }
  return total;
}

}  // namespace trident
