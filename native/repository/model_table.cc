#include "repository/model_table.h"

#include <algorithm>

#include "repository/plan.h"

namespace trident {
const char* ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kUnloading:
      return "UNLOADING";
    case ModelState::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

bool ModelTable::Entry::ready() const {
  return std::any_of(versions.begin(), versions.end(), [](const auto& version) {
    return version.second.state == ModelState::kReady;
  });
}

const ModelTable::Entry* ModelTable::Get(const ModelIdentity& model) const {
  const auto found = entries_.find(model);
  return found == entries_.end() ? nullptr : &found->second;
}

void ModelTable::Tell(ModelEvent event, const ModelIdentity& model, int64_t version,
                      ModelEvent::Kind kind, const std::string& reason) {
  event.model = model;
  event.version = version;
  event.kind = kind;
  event.reason = reason;
  events.push_back(std::move(event));
}

std::shared_ptr<const ModelPlan> ModelTable::Serving(const FoundModel& found) const {
  const Entry* const entry = Get(found.model);
  if (entry == nullptr || entry->plan == nullptr || found.overridden || entry->plan->overridden ||
      !(entry->plan->fingerprint == found.files.fingerprint)) {
    return nullptr;
  }
  const std::set<int64_t>& versions = entry->plan->versions;
  const bool ready = std::all_of(versions.begin(), versions.end(), [&](int64_t version) {
    const auto served = entry->versions.find(version);
    return served != entry->versions.end() && served->second.state == ModelState::kReady;
  });
  return ready ? entry->plan : nullptr;
}

std::vector<LoadedVersion> ModelTable::VersionsOf(const ModelPlan& plan) const {
  std::vector<LoadedVersion> out;
  const Entry* const entry = Get(plan.model);
  for (const int64_t number : plan.versions) {
    LoadedVersion version;
    version.version = number;
    if (entry != nullptr) {
      const auto found = entry->versions.find(number);
      if (found != entry->versions.end() && found->second.state == ModelState::kReady &&
          MayUpdate(*found->second.plan, plan, number)) {
        version.kept = true;
        version.model = found->second.model;
      }
    }
    out.push_back(std::move(version));
  }
  return out;
}

void ModelTable::BeginLoad(const ModelPlan& plan, const ModelEvent& progress) {
  Entry& entry = entries_[plan.model];
  entry.versions.erase(-1);
  for (const int64_t number : plan.versions) {
    Version& version = entry.versions[number];
    if (version.state == ModelState::kUnavailable) version = {ModelState::kLoading, "", {}, {}};
    Tell(progress, plan.model, number, ModelEvent::Kind::kLoading);
  }
}

std::vector<RetiredModel> ModelTable::Publish(std::shared_ptr<const ModelPlan> plan,
                                              std::vector<LoadedVersion> loaded,
                                              const ModelEvent& progress) {
  Entry& entry = entries_[plan->model];
  std::vector<RetiredModel> retired;
  for (auto& [number, version] : entry.versions) {
    if (version.state != ModelState::kReady) continue;
    const bool kept = std::any_of(loaded.begin(), loaded.end(), [&](const LoadedVersion& l) {
      return l.kept && l.model == version.model;
    });
    if (kept) continue;
    retired.push_back({version.model, version.plan});
    if (plan->versions.count(number) > 0) continue;
    version.state = ModelState::kUnloading;
    version.reason = kUnloaded;
    Tell({}, plan->model, number, ModelEvent::Kind::kUnloading);
  }
  for (LoadedVersion& version : loaded) {
    entry.versions[version.version] = {ModelState::kReady, "", std::move(version.model), plan};
    Tell(progress, plan->model, version.version, ModelEvent::Kind::kReady);
  }
  entry.load = Status::Ok();
  entry.tried = plan->fingerprint.all;
  entry.plan = std::move(plan);
  if (!retired.empty()) ++entry.retiring;
  return retired;
}

void ModelTable::FailLoad(const ModelIdentity& model, const std::shared_ptr<const ModelPlan>& plan,
                          const Status& why, const std::vector<LoadedVersion>& loaded,
                          const ModelEvent& progress) {
  Entry& entry = entries_[model];
  entry.load = why;
  if (plan != nullptr) {
    entry.tried = plan->fingerprint.all;
    if (entry.plan == nullptr) entry.plan = plan;
  }
  const bool another = std::any_of(loaded.begin(), loaded.end(),
                                   [](const LoadedVersion& l) { return !l.status.ok(); });
  std::map<int64_t, std::string> reasons;
  for (const LoadedVersion& version : loaded) {
    reasons[version.version] = !version.status.ok() ? version.status.message()
                               : another            ? "another version of the model failed to load"
                                                    : why.message();
  }
  if (reasons.empty() && plan != nullptr) {
    for (const int64_t number : plan->versions) reasons[number] = why.message();
  }
  // A model that is there but broken is shown in the index, unless something is in service.
  if (reasons.empty()) reasons[-1] = why.message();
  for (const auto& [number, reason] : reasons) {
    Tell(progress, model, number, ModelEvent::Kind::kUnavailable, reason);
    if (number == -1 && !entry.versions.empty() && entry.versions.count(-1) == 0) continue;
    Version& version = entry.versions[number];
    if (version.state == ModelState::kReady) {
      Tell(progress, model, number, ModelEvent::Kind::kReady, "its former load stays in service");
      version.reason = StrCat("its former load stays in service: ", reason);
    } else if (version.state != ModelState::kUnloading) {
      version = {ModelState::kUnavailable, reason, nullptr, nullptr};
    }
  }
}

std::vector<RetiredModel> ModelTable::Withdraw(const ModelIdentity& model,
                                               const std::string& reason, bool forget) {
  const auto found = entries_.find(model);
  if (found == entries_.end()) return {};
  Entry& entry = found->second;
  std::vector<RetiredModel> retired;
  for (auto& [number, version] : entry.versions) {
    if (version.state != ModelState::kReady) continue;
    version.state = ModelState::kUnloading;
    version.reason = reason.empty() ? kUnloaded : reason;
    retired.push_back({version.model, version.plan});
    Tell({}, model, number, ModelEvent::Kind::kUnloading, reason);
  }
  if (!retired.empty()) ++entry.retiring;
  if (!forget) return retired;
  entry.plan = nullptr;
  entry.tried.reset();
  entry.asked_for = false;
  entry.load = Status::Ok();
  // A name that never had a version, or whose versions never were in service, is nothing to
  // remember.
  std::erase_if(entry.versions, [](const auto& version) {
    return version.second.state == ModelState::kUnavailable && version.second.reason != kUnloaded;
  });
  if (entry.versions.empty() && entry.retiring == 0) entries_.erase(found);
  return retired;
}

void ModelTable::SetPlan(const ModelIdentity& model, std::shared_ptr<const ModelPlan> plan,
                         const Status& why) {
  Entry& entry = entries_[model];
  entry.plan = std::move(plan);
  entry.load = why;
}

void ModelTable::Drained(const ModelIdentity& model, const std::vector<RetiredModel>& retired) {
  for (auto& [number, version] : entries_.at(model).versions) {
    if (version.state != ModelState::kUnloading) continue;
    const bool ours = std::any_of(retired.begin(), retired.end(),
                                  [&](const RetiredModel& r) { return r.model == version.model; });
    if (!ours) continue;
    const std::string reason = version.reason;
    version = {ModelState::kUnavailable, reason, nullptr, nullptr};
    Tell({}, model, number, ModelEvent::Kind::kUnloaded, reason == kUnloaded ? "" : reason);
  }
}

}  // namespace trident
