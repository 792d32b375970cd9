#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "repository/dependencies.h"

namespace trident {

// What a poll saw of one model's files.
struct ModelOnDisk {
  uint64_t fingerprint = 0;
  uint64_t unchanged_since_ns = 0;  // as far as polls have seen
  int copies = 1;                   // repositories that have a model of this identity
};

// What the repository last did about a model.
struct ModelKnown {
  bool wanted = false;            // served, or to be served as soon as it can be
  std::optional<uint64_t> tried;  // the files of the last load, whatever came of it
};

// What a poll does: `load` is new or changed, `unload` is gone or no longer unique. `wait` has
// changed a moment ago and may still be being written; if they do not change again, all of these
// are quiet at `look_again_ns`.
struct PollPlan {
  ModelSet load;
  ModelSet unload;
  ModelSet wait;
  uint64_t look_again_ns = 0;
};

// Pure: a model whose files are those of its last load is left alone, even if that load failed. A
// model is loaded when its files have not changed for `settle_ns`.
PollPlan DecidePoll(const std::map<ModelIdentity, ModelOnDisk>& on_disk,
                    const std::map<ModelIdentity, ModelKnown>& known, uint64_t now_ns,
                    uint64_t settle_ns);

}  // namespace trident
