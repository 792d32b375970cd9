// Following the disk.

#include "repository/change.h"

namespace trident {

std::map<ModelIdentity, ModelOnDisk> ModelRepository::LookAtDisk(
    const std::map<ModelIdentity, int>& all) {
  std::map<ModelIdentity, ModelOnDisk> found;
  for (const auto& [model, copies] : all) {
    ModelOnDisk files;
    files.copies = copies;
    if (copies == 1) {
      const auto location = locations_.Find(model);
      if (!location.ok()) continue;  // gone since
      files.fingerprint = FingerprintOf(location->directory).all;
      files.unchanged_since_ns = options_.clock->Now();
    }
    found[model] = files;
  }
  MutexLock lock(mutex_);
  for (auto& [model, files] : found) {
    const auto before = seen_.find(model);
    if (before != seen_.end() && before->second.fingerprint == files.fingerprint) {
      files.unchanged_since_ns = before->second.unchanged_since_ns;
    }
  }
  seen_ = found;
  return found;
}

Result<PollPlan> ModelRepository::PlanPoll(std::map<ModelIdentity, ModelOnDisk>* on_disk) {
  TRIDENT_ASSIGN_OR_RETURN(const auto all, locations_.All());
  *on_disk = LookAtDisk(all);
  // Not before: when to look again follows from it, and what was seen must be that old by then.
  const uint64_t now_ns = options_.clock->Now();
  MutexLock lock(mutex_);
  const std::set<std::string> provided = table_.Provided();
  std::erase_if(*on_disk, [&](const auto& seen) { return provided.count(seen.first.name) > 0; });
  return DecidePoll(*on_disk, table_.Known(), now_ns, options_.settle_ns.value_or(0));
}

void ModelRepository::WaitUntil(uint64_t when_ns) {
  MutexLock lock(mutex_);
  while (!stopped_.load() && options_.clock->Now() < when_ns) {
    options_.clock->WaitUntil(changed_, mutex_, when_ns);
  }
}

Status ModelRepository::Poll() {
  std::map<ModelIdentity, ModelOnDisk> on_disk;
  TRIDENT_ASSIGN_OR_RETURN(PollPlan plan, PlanPoll(&on_disk));
  if (!plan.wait.empty()) {
    // Once: what is still being written then is for the next poll.
    WaitUntil(plan.look_again_ns);
    TRIDENT_RETURN_IF_ERROR(CheckNotStopped("the poll is cancelled"));
    TRIDENT_ASSIGN_OR_RETURN(plan, PlanPoll(&on_disk));
  }
  if (plan.load.empty() && plan.unload.empty()) return Status::Ok();
  Change change;
  for (const ModelIdentity& model : plan.load) {
    change.loads[model];
    change.quiet_files[model] = on_disk.at(model).fingerprint;
  }
  change.unloads = plan.unload;
  return Run(&change);
}

}  // namespace trident
