#include "scheduler/response_cache.h"

namespace trident {

uint64_t CachedResponse::byte_size() const {
  uint64_t total = sizeof(*this);
  for (const Output& output : outputs) {
    total += sizeof(output) + output.name.size() + output.bytes.size() +
             output.shape.size() * sizeof(output.shape[0]);
  }
  for (const Parameter& parameter : parameters) {
    total += sizeof(parameter) + parameter.name.size() + parameter.string_value.size();
  }
  return total;
}

uint64_t ResponseCache::CountLoad(const std::string& model) {
  MutexLock lock(mutex_);
  return loads_[model]++;
}

}  // namespace trident
