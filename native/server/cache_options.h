#pragma once

#include <memory>

#include "base/log.h"
#include "scheduler/response_cache.h"
#include "server/options.h"

namespace trident {

// The response cache that the options ask for; null when they ask for none. "local" is our own
// unless the cache directory has a plug-in of that name; all others are plug-ins. INVALID_ARG for a
// configuration that "local" does not understand.
Result<std::shared_ptr<ResponseCache>> MakeResponseCache(const ServerOptions& options,
                                                         std::shared_ptr<Logger> logger);

}  // namespace trident
