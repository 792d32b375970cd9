#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>

namespace trident {

class FunctionHome;

/* Ends executions that take too long, of the servers of an environment whose event loop, which
 * does so otherwise, stands still. One that does not end even then is lost: the loop of the thread
 * that it runs on does not turn, and only ours could end that thread. JS thread only. */
class OverdueWatch {
 public:
  explicit OverdueWatch(const FunctionHome& home) : home_(home) {}

  // Returns when to look again; kNever: there is nothing to look for.
  uint64_t Look();
  const std::set<int64_t>& lost() const { return lost_; }

 private:
  // The soonest that an execution yet to come can be late.
  uint64_t SoonestNs(uint64_t now_ns) const;

  const FunctionHome& home_;
  std::unordered_map<int64_t, uint64_t> given_up_;  // executions, and when
  std::set<int64_t> lost_;
};

}  // namespace trident
