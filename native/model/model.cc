#include "model/model.h"

#include <algorithm>
#include <system_error>

#include "base/checked.h"
#include "base/clock.h"
#include "config/complete.h"
#include "config/validate.h"
#include "model/instances.h"
#include "model/plugin_status.h"
#include "model/supported.h"
#include "scheduler/queue_scheduler.h"

namespace trident {
namespace {

// Far beyond what any machine has cores for: a larger number is a slip, and would exhaust memory.
constexpr int64_t kMaxInstances = 4096;

template <typename Tensor>
TensorSpec SpecOf(const Tensor& tensor) {
  TensorSpec spec;
  spec.name = tensor.name;
  spec.datatype = tensor.data_type;
  spec.dims = tensor.dims;
  spec.variable = HasWildcard(tensor.dims);
  if (tensor.reshape) spec.reshape = tensor.reshape->shape;
  return spec;
}

ModelSignature SignatureOf(const ModelConfig& config, int64_t version) {
  ModelSignature signature;
  signature.name = config.name;
  signature.version = version;
  signature.max_batch_size = static_cast<uint32_t>(config.max_batch_size);
  signature.decoupled = config.IsDecoupled();
  for (const ModelInput& input : config.input) {
    TensorSpec spec = SpecOf(input);
    spec.optional = input.optional;
    signature.compare_inputs = signature.compare_inputs || spec.variable || spec.optional;
    signature.inputs.push_back(std::move(spec));
  }
  for (const ModelOutput& output : config.output) signature.outputs.push_back(SpecOf(output));
  return signature;
}

BatchPolicy PolicyOf(const ModelConfig& config) {
  BatchPolicy policy;
  policy.max_batch_size = static_cast<uint32_t>(std::max(1, config.max_batch_size));
  if (!config.dynamic_batching) return policy;
  const ModelDynamicBatching& batching = *config.dynamic_batching;
  policy.dynamic = true;
  policy.preferred.assign(batching.preferred_batch_size.begin(),
                          batching.preferred_batch_size.end());
  std::sort(policy.preferred.begin(), policy.preferred.end());
  if (!CheckedMultiply(batching.max_queue_delay_microseconds, 1000, &policy.max_queue_delay_ns)) {
    policy.max_queue_delay_ns = kNever;
  }
  if (batching.default_queue_policy) {
    policy.max_queue_size = batching.default_queue_policy->max_queue_size;
  }
  return policy;
}

}  // namespace

Model::Model(ModelSource source)
    : config_(std::move(source.config)),
      directory_(std::move(source.directory)),
      version_(source.version),
      backend_(std::move(source.backend)),
      auto_complete_(source.auto_complete),
      host_policies_(std::move(source.host_policies)),
      server_(source.server),
      logger_(std::move(source.logger)) {}

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
  TRIDENT_RETURN_IF_ERROR(CheckSupported(config_));
  if (auto* initialize = backend_->entry_points().model_initialize) {
    initialized_ = true;  // Triton finalises what failed to initialise, too
    initializing_ = true;
    const Status status = TakePluginError(initialize(handle()));
    initializing_ = false;
    TRIDENT_RETURN_IF_ERROR(status);
  }
  initialized_ = true;
  TRIDENT_RETURN_IF_ERROR(Validate(config_));  // again: the plug-in may have completed it
  TRIDENT_RETURN_IF_ERROR(ValidateTensors(config_));
  TRIDENT_RETURN_IF_ERROR(CheckSupported(config_));
  signature_ = SignatureOf(config_, version_);
  TRIDENT_RETURN_IF_ERROR(CreateInstances());
  CreateScheduler();
  return Status::Ok();
}

Status Model::SetAutoCompleted(const ModelConfig& from_backend) {
  if (!initializing_ || !auto_complete_) {
    return Unsupported("the configuration of model '", config_.name,
                       "' can only be set while the model initializes, with auto-completion on");
  }
  return MergeAutoCompleted(&config_, from_backend);
}

Status Model::CreateInstances() {
  int64_t count = 0;
  for (const InstanceGroup& group : config_.instance_group) count += group.count;
  if (count > kMaxInstances) {
    return InvalidArg("model '", config_.name, "' asks for ", count,
                      " instances in its instance groups; at most ", kMaxInstances, " are allowed");
  }
  for (ModelInstance::Description& description : DescribeInstances(config_, host_policies_)) {
    const std::string name = description.name;
    auto instance = ModelInstance::Create(this, std::move(description));
    if (!instance.ok()) {
      return instance.status().WithPrefix(StrCat("instance '", name, "' failed to initialize: "));
    }
    instances_.push_back(std::move(instance).value());
    if (!instances_.back()->description().passive) active_.push_back(instances_.back().get());
  }
  if (active_.empty()) {
    return InvalidArg("model '", config_.name, "' has no instance that is not passive");
  }
  return Status::Ok();
}

void Model::CreateScheduler() {
  scheduler_ = std::make_unique<QueueScheduler>(signature_, PolicyOf(config_), active_.size(),
                                                Clock::System());
}

Status Model::StartThreads() {
  if (threads_started_.load(std::memory_order_acquire)) return Status::Ok();
  MutexLock lock(mutex_);
  if (threads_started_.load(std::memory_order_relaxed)) return Status::Ok();
  // A closed model may lose its instances at any time, and a request without threads would wait for
  // ever.
  if (!accepting()) return Unavailable("model '", config_.name, "' is being unloaded");
  try {
    for (size_t i = 0; i < active_.size(); ++i) active_[i]->StartThread(scheduler_.get(), i);
  } catch (const std::system_error& error) {
    // Instances without a thread stay usable by the inline lane; the next Submit tries again.
    return Unavailable("model '", config_.name,
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
    active_[index]->Execute(&mine);
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

void Model::CancelQueued(InferenceRequest* request) {
  if (scheduler_ == nullptr) return;
  if (RequestPtr queued = scheduler_->Remove(request)) {
    RespondError(std::move(queued),
                 Error(StatusCode::kCancelled, "request was cancelled while it waited for model '",
                       config_.name, "'"));
  }
}

void Model::Close() {
  MutexLock lock(mutex_);  // not in the middle of StartThreads
  accepting_.store(false);
}

void Model::Drain() {
  Close();
  scheduler_->Stop();
  {
    MutexLock lock(mutex_);
    while (in_flight_.load() != 0) drained_.Wait(mutex_);
  }
  Finalize();
}

void Model::Finalize() {
  active_.clear();
  while (!instances_.empty()) instances_.pop_back();
  {
    MutexLock lock(mutex_);
    memory_usage_.clear();
  }
  auto* finalize = backend_->entry_points().model_finalize;
  if (!initialized_ || finalize == nullptr) return;
  initialized_ = false;
  const Status status = TakePluginError(finalize(handle()));
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "model '", config_.name, "' version ", version_,
                " failed to finalize: ", status.message());
  }
}

Status Model::Ready() {
  {
    // Counted as a request, so that no drain takes the instances away meanwhile.
    MutexLock lock(mutex_);
    if (!accepting()) return Unavailable("model '", config_.name, "' is being unloaded");
    RequestStarted();
  }
  Status status;
  for (const auto& instance : instances_) {
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
