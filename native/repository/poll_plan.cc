#include "repository/poll_plan.h"

#include <algorithm>

namespace trident {

PollPlan DecidePoll(const std::map<ModelIdentity, ModelOnDisk>& on_disk,
                    const std::map<ModelIdentity, ModelKnown>& known, uint64_t now_ns,
                    uint64_t settle_ns) {
  PollPlan plan;
  for (const auto& [model, what] : known) {
    const auto found = on_disk.find(model);
    if (what.wanted && (found == on_disk.end() || found->second.copies > 1)) {
      plan.unload.insert(model);
    }
  }
  for (const auto& [model, files] : on_disk) {
    if (files.copies > 1) continue;
    const auto found = known.find(model);
    const bool served = found != known.end() && found->second.wanted;
    if (served && found->second.tried == files.fingerprint) continue;
    const uint64_t quiet_ns = now_ns - std::min(now_ns, files.unchanged_since_ns);
    if (quiet_ns >= settle_ns) {
      plan.load.insert(model);
    } else {
      plan.wait.insert(model);
      plan.look_again_ns = std::max(plan.look_again_ns, now_ns + (settle_ns - quiet_ns));
    }
  }
  return plan;
}

}  // namespace trident
