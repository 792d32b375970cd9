#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "random.h"

namespace trident::simulation {

// Threads of the simulation: each has a stack of its own, one runs at a time, and which one goes on
// is drawn from the seed. They switch where production code waits and, if the world is preemptive,
// where it locks and unlocks: every order of critical sections can happen. Externally synchronised
// by the one real thread.
class VirtualThreads {
 public:
  struct Settings {
    double preemption = 0;  // probability of a switch at a lock
    double spurious = 0;    // probability that a wait ends for no reason
  };

  VirtualThreads(Random* random, const uint64_t* now_ns);
  ~VirtualThreads();

  void Start(std::function<void()> body);

  // The world's loop: lets threads run until all of them wait; true if any did.
  bool RunAll();
  uint64_t NextDeadline() const;
  bool AllEnded() const { return threads_.empty(); }

  // A thread about itself.
  const void* self() const { return running_; }
  void SleepUntil(uint64_t when_ns);
  void Yield();

  // base/mutex.h.
  void BeforeLock();
  void AfterLock() { ++held_; }
  void AfterUnlock();
  bool Wait(const CondVar* condition, Mutex& mutex, uint64_t deadline_ns);
  void Notify(const CondVar* condition, bool all);

  // Locks held right now; user and backend code must see none.
  int held() const { return held_; }

  Settings settings;
  static VirtualThreads* current;  // of the world that runs

 private:
  struct Thread;
  static void Enter(unsigned high, unsigned low);
  void SwitchTo(Thread* thread);
  void SwitchBack();
  void MaybePreempt();

  Random* const random_;
  const uint64_t* const now_ns_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Thread*> ready_;  // scratch of RunAll
  Thread* running_ = nullptr;
  int held_ = 0;
  ucontext_t loop_;
  void* loop_fiber_ = nullptr;        // the thread sanitizer's
  void* loop_fake_stack_ = nullptr;   // the address sanitizer's
  const void* loop_stack_ = nullptr;  // "
  size_t loop_stack_size_ = 0;        // "
};

// Ends the program with a report about the world that runs.
[[noreturn]] void Violation(const char* what);

}  // namespace trident::simulation
