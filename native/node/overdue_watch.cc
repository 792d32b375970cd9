#include "node/overdue_watch.h"

#include <algorithm>

#include "base/checked.h"
#include "base/clock.h"
#include "node/function_execution.h"
#include "node/function_registry.h"

namespace trident {
namespace {

// A thread whose event loop turns gives up by itself, and lets go of what others have given up.
constexpr uint64_t kGraceNs = 100'000'000;

uint64_t After(uint64_t time_ns, uint64_t duration_ns) {
  uint64_t sum_ns = 0;
  return CheckedAdd(time_ns, duration_ns, &sum_ns) ? sum_ns : kNever;
}

}  // namespace

uint64_t OverdueWatch::SoonestNs(uint64_t now_ns) const {
  uint64_t soonest_ns = kNever;
  for (const auto& instance : FunctionRegistry::Get().All()) {
    const uint64_t limit_ns = instance->settings().execution_timeout_ns;
    if (limit_ns == 0 || instance->server().home.get() != &home_) continue;
    soonest_ns = std::min(soonest_ns, After(now_ns, After(limit_ns, kGraceNs)));
  }
  return soonest_ns;
}

uint64_t OverdueWatch::Look() {
  const uint64_t now_ns = NowNs();
  uint64_t next_ns = SoonestNs(now_ns);
  if (next_ns == kNever) return kNever;
  for (const auto& execution : FunctionRegistry::Get().Executions()) {
    if (execution->instance().server().home.get() != &home_) continue;
    const uint64_t due_ns = After(execution->DueNs(), kGraceNs);
    if (due_ns > now_ns) {
      next_ns = std::min(next_ns, due_ns);
      continue;
    }
    const auto [given_up, is_new] = given_up_.emplace(execution->number(), now_ns);
    if (is_new) execution->Abandon(execution->TookTooLong());
    const uint64_t lost_ns = After(given_up->second, kGraceNs);
    if (lost_ns <= now_ns) {
      lost_.insert(execution->number());
    } else {
      next_ns = std::min(next_ns, lost_ns);
    }
  }
  return next_ns;
}

}  // namespace trident
