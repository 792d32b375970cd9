#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

/* Which of the instances that have work may execute now, as Triton's rate limiter in mode
 * EXEC_COUNT decides. Pure: no lock, no thread.
 *
 *     idle --Stage--> staged --Next--> executing --Release--> idle
 *                       +----Unstage----> idle
 *
 * Staged instances take turns in the order of executions x priority; one of priority 2 gets half
 * the turns of one of priority 1. Only the first is tried: while it lacks a resource, nobody passes
 * it. An instance that had nothing to do meanwhile comes back level with the others, not with a
 * claim on all the turns it let pass. Externally synchronised by ExecutionLimiter. */
class RateRule {
 public:
  // Units of resources by device and name.
  using Amounts = std::map<int, std::map<std::string, uint64_t>>;
  static constexpr int kEveryDevice = -1;
  static constexpr int kGlobal = -2;  // shared by all devices

  // `available`: what the host says there is. When it says nothing, of each resource there is what
  // the most demanding instance needs.
  explicit RateRule(Amounts available) : available_(std::move(available)) {}

  // What an instance on `device` needs, as its group says; null: nothing.
  static Amounts NeedsOf(const RateLimiter* config, int device);

  // One more instance; its number. INVALID_ARG, and nothing has changed, when it needs more than
  // there is, or a resource is global for one instance and not for another.
  Result<size_t> Add(Amounts needs, uint32_t priority);
  // Any state but executing.
  void Remove(size_t instance);

  void Stage(size_t instance);
  void Unstage(size_t instance);
  // Gives the first staged instance what it needs; nothing when there is none or it must wait.
  std::optional<size_t> Next();
  // Gives back what Next gave. `executed`: that was a turn.
  void Release(size_t instance, bool executed);

 private:
  enum class State { kFree, kIdle, kStaged, kExecuting };
  struct Instance {
    State state = State::kFree;
    Amounts needs;
    double weight = 1;       // what one execution counts
    double turns = 0;        // executions x weight
    uint64_t staged_at = 0;  // order among equals
  };
  using Place = std::tuple<double, uint64_t, size_t>;  // turns, staged_at, instance
  Place PlaceOf(size_t instance) const {
    return {instances_[instance].turns, instances_[instance].staged_at, instance};
  }

  Result<Amounts> Limits(const Amounts* more) const;
  bool Fits(const Amounts& needs) const;

  const Amounts available_;
  Amounts limits_;
  Amounts taken_;
  std::vector<Instance> instances_;
  std::set<Place> staged_;
  double turn_ = 0;  // the highest `turns` that has had its turn
  uint64_t stagings_ = 0;
};

}  // namespace trident
