#pragma once

#include "base/mutex.h"
#include "triton/core/tritonserver.h"

namespace trident {

// A server in the hands of environments that have not started it. Each use is one call of the C
// API; whoever deletes the server closes this first. Thread-safe.
class SharedServer {
 public:
  // For the time of one call; null when the server is being deleted.
  class Use {
   public:
    // null `shared`: the server is the caller's own.
    Use(SharedServer* shared, TRITONSERVER_Server* server)
        : shared_(shared), server_(shared == nullptr || shared->Enter() ? server : nullptr) {}
    ~Use() {
      if (shared_ != nullptr && server_ != nullptr) shared_->Leave();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    TRITONSERVER_Server* get() const { return server_; }

   private:
    SharedServer* const shared_;
    TRITONSERVER_Server* const server_;
  };

  // Waits for the uses under way; there are none from then on.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    while (uses_ > 0) idle_.Wait(mutex_);
  }

 private:
  bool Enter() {
    MutexLock lock(mutex_);
    if (!closed_) ++uses_;
    return !closed_;
  }
  void Leave() {
    MutexLock lock(mutex_);
    if (--uses_ == 0 && closed_) idle_.NotifyAll();
  }

  Mutex mutex_;
  CondVar idle_;
  int uses_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
