#pragma once

#include <deque>
#include <memory>

#include "base/mutex.h"
#include "model/rate_rule.h"

namespace trident {

// One server's rate limiter, in mode EXEC_COUNT: instance threads ask it before they execute. (In
// mode OFF there is none.) Thread-safe.
class ExecutionLimiter : public std::enable_shared_from_this<ExecutionLimiter> {
 public:
  explicit ExecutionLimiter(RateRule::Amounts available) : rule_(std::move(available)) {}

  // One instance's door; its resources are accounted for as long as it exists. Used by the
  // instance's thread, GiveUp apart.
  class Gate {
   public:
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    // Waits for this instance's turn and its resources. False: GiveUp was called, and nothing is
    // held; whoever still has work asks again.
    bool Acquire();
    // Gives back what Acquire got. `executed`: that was a turn. `again`: there is more to do, so
    // this instance queues up again before anybody is chosen; Acquire must follow.
    void Release(bool executed, bool again);
    // Makes one Acquire, the present or the next, return at once, so that a thread can see that its
    // work is gone. Any thread.
    void GiveUp();

   private:
    friend class ExecutionLimiter;
    Gate(std::shared_ptr<ExecutionLimiter> limiter, size_t index)
        : limiter_(std::move(limiter)), index_(index) {}

    const std::shared_ptr<ExecutionLimiter> limiter_;
    const size_t index_;
    // Guarded by the limiter's mutex.
    CondVar admitted_;
    bool staged_ = false;
    bool holds_ = false;
    bool give_up_ = false;
  };

  // The gate of an instance on `device`; `config` is its group's, or null.
  Result<std::unique_ptr<Gate>> Register(const RateLimiter* config, int device);

 private:
  void Admit() REQUIRES(mutex_);

  Mutex mutex_;
  RateRule rule_ GUARDED_BY(mutex_);
  std::deque<Gate*> gates_ GUARDED_BY(mutex_);  // by their number at `rule_`
};

}  // namespace trident
