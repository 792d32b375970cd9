#pragma once

#include <memory>

#include "scheduler/response_cache.h"
#include "server/options.h"

namespace trident {

// The response cache that the options ask for; null when they ask for none. INVALID_ARG for a
// configuration the cache does not understand, UNSUPPORTED for a cache other than "local".
Result<std::shared_ptr<ResponseCache>> MakeResponseCache(const ServerOptions& options);

}  // namespace trident
