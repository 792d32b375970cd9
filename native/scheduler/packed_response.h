#pragma once

#include <memory>
#include <string_view>

#include "scheduler/response_cache.h"

namespace trident {

// A response as one block of bytes, for caches that keep bytes. Its numbers are in this machine's
// byte order.
uint64_t PackedSize(const CachedResponse& response);

// Writes PackedSize bytes.
void Pack(const CachedResponse& response, char* to);

// INTERNAL for what can't be a packed response: caches may be old, foreign or damaged.
Result<std::shared_ptr<const CachedResponse>> Unpack(std::string_view packed);

}  // namespace trident
