// Model::UpdateInstances: another number or kind of instances without a reload.

#include <algorithm>
#include <system_error>

#include "model/instances.h"
#include "model/model.h"
#include "model/supported.h"

namespace trident {
namespace {

// Names apart, which only count instances.
bool SameSignature(ModelInstance::Description one, const ModelInstance::Description& other) {
  one.name = other.name;
  return one == other;
}

// Of what is wanted, what is not there; `stay` gets what is both.
std::vector<ModelInstance::Description> Missing(
    std::vector<ModelInstance::Description> wanted,
    const std::vector<std::shared_ptr<ModelInstance>>& there,
    std::vector<const ModelInstance*>* stay) {
  for (const auto& instance : there) {
    const auto match = std::find_if(wanted.begin(), wanted.end(), [&](const auto& description) {
      return SameSignature(description, instance->description());
    });
    if (match == wanted.end()) continue;
    stay->push_back(instance.get());
    wanted.erase(match);
  }
  return wanted;
}

// The threads of `active` from `first` on.
Status StartThreadsFrom(size_t first, const std::vector<ModelInstance*>& active) {
  try {
    for (size_t i = first; i < active.size(); ++i) {
      if (active[i]->needs_thread()) active[i]->StartThread();
    }
  } catch (const std::system_error& error) {
    return Unavailable("can't start a thread for each new instance: ", error.what());
  }
  return Status::Ok();
}

}  // namespace

Status Model::UpdateInstances(const ModelConfig& config, std::function<void()>* finish) {
  ModelConfig next = *this->config();
  next.version_policy = config.version_policy;
  next.instance_group = config.instance_group;
  TRIDENT_RETURN_IF_ERROR(gpus_->ResolveGroups(backend_->attribute().preferred_groups, &next));
  TRIDENT_RETURN_IF_ERROR(CheckSupported(next));
  TRIDENT_RETURN_IF_ERROR(CheckInstanceCount(next));
  const std::vector<ModelInstance::Description> wanted = DescribeInstances(next, host_policies_);
  if (std::all_of(wanted.begin(), wanted.end(), [](const auto& one) { return one.passive; })) {
    return InvalidArg("model '", name_, "' has no instance that is not passive");
  }
  std::vector<const ModelInstance*> former;
  std::vector<const ModelInstance*> stay;
  std::set<const void*> reported;
  std::vector<ModelInstance::Description> missing;
  {
    MutexLock lock(mutex_);
    if (!accepting()) return Unavailable("model '", name_, "' is being unloaded");
    RequestStarted();  // no drain meanwhile
    for (const auto& instance : instances_) former.push_back(instance.get());
    for (const auto& [owner, rows] : memory_usage_) reported.insert(owner);
    reported.insert(this);
    reported.insert(former.begin(), former.end());
    missing = Missing(wanted, instances_, &stay);
  }
  Status status;
  std::vector<std::shared_ptr<ModelInstance>> added;
  for (size_t i = 0; i < missing.size() && status.ok(); ++i) {
    const std::string name = missing[i].name;
    auto instance = ModelInstance::Create(this, std::move(missing[i]));
    status = instance.status().WithPrefix(StrCat("instance '", name, "' failed to initialize: "));
    if (instance.ok()) added.push_back(std::move(instance).value());
  }
  std::vector<LeavingInstance> leaving;
  std::vector<LostInstance> lost;
  if (status.ok()) {
    MutexLock lock(mutex_);
    for (const auto& instance : added) stay.push_back(instance.get());
    const size_t first = active_tables_.back().size();
    AddInstances(std::move(added));
    // What waits is served by those that leave or by those that come: never by nobody.
    if (threads_started_.load()) {
      status = StartThreadsFrom(first, active_tables_.back());
    }
    if (status.ok() && !AnyInService(stay)) {
      status = Unavailable("model '", name_, "' would only have instances on lost devices");
    }
    leaving = TakeOut(status.ok() ? stay : former);
    lost = TakeOutLost();
    CountInstances();
    if (status.ok()) config_ = std::make_shared<const ModelConfig>(std::move(next));
  } else {
    added.clear();
    MutexLock lock(mutex_);
    std::erase_if(memory_usage_, [&](const auto& row) { return reported.count(row.first) == 0; });
  }
  Lose(lost);
  if (status.ok()) LabelMetrics(*this->config());
  for (const LeavingInstance& one : leaving) {
    if (!one.instance->description().passive) scheduler_->RemoveInstance(one.index);
  }
  if (leaving.empty()) {
    RequestEnded();
    return status;
  }
  *finish = [this, self = shared_from_this(), leaving = std::move(leaving)]() mutable {
    for (const LeavingInstance& one : leaving) AwaitEnd(one);
    leaving.clear();
    RequestEnded();
  };
  return status;
}

bool Model::AnyInService(const std::vector<const ModelInstance*>& instances) const {
  const std::vector<ModelInstance*>& active = active_tables_.back();
  return std::any_of(instances.begin(), instances.end(), [&](const ModelInstance* instance) {
    const auto at = std::find(active.begin(), active.end(), instance);
    return at != active.end() && leaving_.count(static_cast<size_t>(at - active.begin())) == 0;
  });
}

std::vector<Model::LeavingInstance> Model::TakeOut(const std::vector<const ModelInstance*>& stay) {
  std::vector<LeavingInstance> leaving;
  std::erase_if(instances_, [&](const std::shared_ptr<ModelInstance>& instance) {
    if (std::find(stay.begin(), stay.end(), instance.get()) != stay.end()) return false;
    LeavingInstance one{instance, 0};
    if (!instance->description().passive) {
      const std::vector<ModelInstance*>& active = active_tables_.back();
      one.index = static_cast<size_t>(std::find(active.begin(), active.end(), instance.get()) -
                                      active.begin());
      leaving_.insert(one.index);
    }
    leaving.push_back(std::move(one));
    return true;
  });
  return leaving;
}

void Model::AddInstances(std::vector<std::shared_ptr<ModelInstance>> added) {
  for (std::shared_ptr<ModelInstance>& instance : added) {
    instances_.push_back(std::move(instance));
    if (!instances_.back()->description().passive) AddActive(instances_.back().get());
  }
}

void Model::AwaitEnd(const LeavingInstance& leaving) {
  ModelInstance& instance = *leaving.instance;
  const bool active = !instance.description().passive;
  instance.EndService();
  MutexLock lock(mutex_);
  if (active) active_tables_.back()[leaving.index] = nullptr;
  memory_usage_.erase(&instance);
}

}  // namespace trident
