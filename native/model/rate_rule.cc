#include "model/rate_rule.h"

#include <algorithm>

namespace trident {
namespace {

uint64_t AmountOf(const RateRule::Amounts& amounts, int device, const std::string& resource) {
  const auto found = amounts.find(device);
  if (found == amounts.end()) return 0;
  const auto amount = found->second.find(resource);
  return amount == found->second.end() ? 0 : amount->second;
}

// What the host gives of a resource. Triton takes a global one from whichever device it was given
// for.
uint64_t Given(const RateRule::Amounts& available, int device, const std::string& resource) {
  if (device != RateRule::kGlobal) {
    return std::max(AmountOf(available, device, resource),
                    AmountOf(available, RateRule::kEveryDevice, resource));
  }
  uint64_t most = 0;
  for (const auto& [any, names] : available) {
    most = std::max(most, AmountOf(available, any, resource));
  }
  return most;
}

void Raise(const RateRule::Amounts& needs, RateRule::Amounts* limits) {
  for (const auto& [device, names] : needs) {
    for (const auto& [resource, count] : names) {
      uint64_t& limit = (*limits)[device][resource];
      limit = std::max(limit, count);
    }
  }
}

Status CheckScopes(const RateRule::Amounts& limits) {
  const auto global = limits.find(RateRule::kGlobal);
  if (global == limits.end()) return Status::Ok();
  for (const auto& [device, names] : limits) {
    if (device == RateRule::kGlobal) continue;
    for (const auto& [resource, count] : names) {
      if (global->second.count(resource) == 0) continue;
      return InvalidArg("Resource \"", resource,
                        "\" is present as both global and device-specific resource in the model "
                        "configuration. To change which it is, unload all models that ask for it "
                        "first.");
    }
  }
  return Status::Ok();
}

}  // namespace

RateRule::Amounts RateRule::NeedsOf(const RateLimiter* config, int device) {
  Amounts needs;
  if (config == nullptr) return needs;
  for (const RateLimiterResource& resource : config->resources) {
    needs[resource.global ? kGlobal : device][resource.name] = resource.count;
  }
  return needs;
}

Result<RateRule::Amounts> RateRule::Limits(const Amounts* more) const {
  Amounts limits;
  for (const Instance& instance : instances_) Raise(instance.needs, &limits);
  if (more != nullptr) Raise(*more, &limits);
  TRIDENT_RETURN_IF_ERROR(CheckScopes(limits));
  if (available_.empty()) return limits;
  for (auto& [device, names] : limits) {
    for (auto& [resource, count] : names) {
      const uint64_t given = Given(available_, device, resource);
      if (given < count) {
        return InvalidArg("Resource count for \"", resource, "\" is limited to ", given,
                          " which will prevent scheduling of one or more model instances, the "
                          "minimum required count is ",
                          count);
      }
      count = given;
    }
  }
  return limits;
}

Result<size_t> RateRule::Add(Amounts needs, uint32_t priority) {
  TRIDENT_ASSIGN_OR_RETURN(limits_, Limits(&needs));
  const auto free = std::find_if(instances_.begin(), instances_.end(),
                                 [](const Instance& i) { return i.state == State::kFree; });
  const auto index = static_cast<size_t>(free - instances_.begin());
  if (free == instances_.end()) instances_.emplace_back();
  Instance& instance = instances_[index];
  instance = {.state = State::kIdle, .needs = std::move(needs)};
  instance.weight = std::max(priority, 1u);
  instance.turns = turn_;
  return index;
}

void RateRule::Remove(size_t instance) {
  if (instances_[instance].state == State::kStaged) Unstage(instance);
  instances_[instance] = {};
  // What remains was legal with more.
  if (auto limits = Limits(nullptr); limits.ok()) limits_ = std::move(limits).value();
}

void RateRule::Stage(size_t instance) {
  Instance& self = instances_[instance];
  self.state = State::kStaged;
  self.turns = std::max(self.turns, turn_);
  self.staged_at = ++stagings_;
  staged_.insert(PlaceOf(instance));
}

void RateRule::Unstage(size_t instance) {
  staged_.erase(PlaceOf(instance));
  instances_[instance].state = State::kIdle;
}

bool RateRule::Fits(const Amounts& needs) const {
  for (const auto& [device, names] : needs) {
    for (const auto& [resource, count] : names) {
      const uint64_t limit = AmountOf(limits_, device, resource);
      const uint64_t taken = AmountOf(taken_, device, resource);
      // A limit may have sunk below what is taken.
      if (taken > limit || count > limit - taken) return false;
    }
  }
  return true;
}

std::optional<size_t> RateRule::Next() {
  if (staged_.empty()) return std::nullopt;
  const size_t index = std::get<2>(*staged_.begin());
  Instance& first = instances_[index];
  if (!Fits(first.needs)) return std::nullopt;
  staged_.erase(staged_.begin());
  for (const auto& [device, names] : first.needs) {
    for (const auto& [resource, count] : names) taken_[device][resource] += count;
  }
  first.state = State::kExecuting;
  turn_ = std::max(turn_, first.turns);
  return index;
}

void RateRule::Release(size_t instance, bool executed) {
  Instance& self = instances_[instance];
  for (const auto& [device, names] : self.needs) {
    for (const auto& [resource, count] : names) taken_[device][resource] -= count;
  }
  self.state = State::kIdle;
  if (executed) self.turns += self.weight;
}

}  // namespace trident
