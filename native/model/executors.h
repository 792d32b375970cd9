#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/status.h"
#include "base/timer.h"
#include "scheduler/scheduler.h"

namespace trident {

// What executors drive: an instance, as one of its threads sees it.
class Driven {
 public:
  virtual ~Driven() = default;
  // Executes a batch, if one is due. False: there is none, the instance has been left
  // (Scheduler::TakeOrLeave), and `look_again_ns` says when to come back unless called before.
  virtual bool RunBatch(uint64_t* look_again_ns) = 0;
};

/* The threads that drive a server's instances: about as many as there are cores, however many
 * models serve. An instance that is called goes to the thread that parked last, which costs one
 * notification; else a thread is started, as long as fewer than the limit exist; else it waits in
 * line. A thread goes on with its instance until that has nothing to do, but lets those in line go
 * first after each batch.
 *
 * The limit is the number of cores, or of the instances of the model with the most of them. When
 * nobody in line has got a thread for a millisecond, all threads are likely to be blocked by their
 * backends: one more is started, and another when as much time and one more millisecond have passed
 * without anybody's turn, and so on, at most four milliseconds apart. At most as many as the limit
 * stay when they have nothing to do.
 *
 * Shared by the models it serves. Thread-safe. */
class Executors {
 public:
  using StartThread = std::function<void(std::function<void()>)>;  // throws when it can't
  struct Options {
    std::shared_ptr<Timer> timer;
    Clock& clock = Clock::System();
    size_t core_count = CoreCount();
    uint64_t spin_ns = 0;  // how long a thread without work looks for some before it parks, one at
                           // a time
    StartThread start_thread = StartDetached;
  };
  // What the threads do now, and how often one had to be woken.
  struct Counts {
    size_t threads = 0;
    size_t parked = 0;
    size_t looking = 0;  // for work: those that start and those that spin
    size_t in_line = 0;  // instances
    uint64_t notifications = 0;
  };

  explicit Executors(Options options);
  // Every instance has been retired. Waits until the threads have ended; may run on one of them.
  ~Executors();
  Executors(const Executors&) = delete;
  Executors& operator=(const Executors&) = delete;

  // UNAVAILABLE: there is no thread, and none can be started. Once there was one there always is.
  Status Start();

  // `instance` is driven whenever the waker is called, until Retire.
  std::shared_ptr<Waker> Add(Driven* instance);
  // Waits until no thread is at the instance; none will come any more.
  void Retire(Waker* waker);

  // A model has `now` instances here, and had `before`.
  void CountInstances(size_t before, size_t now);

  Counts counts() const;

  // The cores this process may use.
  static size_t CoreCount();

 private:
  class Seat;
  class Line;
  class Pool;
  static void StartDetached(std::function<void()> body);

  const std::shared_ptr<Pool> pool_;
};

}  // namespace trident
