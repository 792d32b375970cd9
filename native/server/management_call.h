#pragma once

#include "base/clock.h"
#include "server/server.h"

namespace trident {

// Counts a management call, so that Stop can wait for those that have begun.
class Server::ManagementCall {
 public:
  explicit ManagementCall(const Server* server) : server_(server) {
    MutexLock lock(server_->mutex_);
    ++server_->management_calls_;
  }
  ~ManagementCall() {
    MutexLock lock(server_->mutex_);
    --server_->management_calls_;
    server_->calls_changed_.NotifyAll();
  }
  ManagementCall(const ManagementCall&) = delete;
  ManagementCall& operator=(const ManagementCall&) = delete;

 private:
  const Server* const server_;
};

// The time that is `timeout_ms` from now; never, for what no clock will show.
inline uint64_t DeadlineIn(uint64_t timeout_ms) {
  return timeout_ms < kNever / 2'000'000 ? NowNs() + timeout_ms * 1'000'000 : kNever;
}

}  // namespace trident
