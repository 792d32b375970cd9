#include "isolation/backoff.h"

#include <algorithm>

namespace trident::isolation {

uint64_t Backoff::Ended(uint64_t now_ns) {
  const uint64_t delay_ns = next_delay_ns_;
  next_delay_ns_ = delay_ns == 0 ? kFirstDelayNs : std::min(2 * delay_ns, kMaxDelayNs);
  return now_ns + delay_ns;
}

}  // namespace trident::isolation
