#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "model/executors.h"

namespace trident {

// One instance at the executors. Its fields are guarded by the pool's mutex. Thread-safe.
class Executors::Seat final : public Waker {
 public:
  Seat(Pool* pool, Driven* instance) : pool(pool), instance(instance) {}
  void Wake() override;

  enum class State { kLeft, kInLine, kTaken, kRetired };

  Pool* const pool;
  Driven* const instance;
  State state = State::kLeft;
  bool called = false;              // while it was taken
  bool retiring = false;            // whoever has taken it says so when it lets go
  uint64_t look_again_ns = kNever;  // as it was left the last time
  // kLeft and with a time: where it waits for that.
  std::multimap<uint64_t, Seat*>::iterator waits;
  // kInLine: its neighbours there.
  Seat* before = nullptr;
  Seat* behind = nullptr;
};

// Instances that wait for a thread, first come first served. Its links are in the seats, so that
// nobody allocates to stand in line. Externally synchronised by the pool.
class Executors::Line {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  Seat* front() const { return first_; }
  void PushBack(Seat* seat);
  void Remove(Seat* seat);

 private:
  Seat* first_ = nullptr;
  Seat* last_ = nullptr;
  size_t size_ = 0;
};

// What Executors and its threads share; lives until the last of them has gone. Thread-safe.
class Executors::Pool final : public Alarm, public std::enable_shared_from_this<Pool> {
 public:
  explicit Pool(Options options) : options_(std::move(options)), limit_(options_.core_count) {}
  ~Pool() override { options_.timer->Forget(this); }

  Status Start();
  void End();
  void Call(Seat* seat);
  void Retire(Seat* seat);
  void CountInstances(size_t before, size_t now);
  Counts counts() const;
  void Ring() override;  // the timer's

 private:
  // What one thread parks on. Never destroyed before the pool: a thread that has been chosen may
  // have woken and ended before it is notified.
  struct Worker {
    CondVar wake;
    Seat* handed = nullptr;   // while it was parked
    bool looks = false;       // it was woken to keep time, and counts among those who look
    std::thread::id driving;  // while it drives an instance
  };
  // Holds the mutex. Whoever lets go of it sets the alarm that is needed by then, notifies `wake`
  // and starts the thread that StartOne has asked for.
  class Lock;

  // Threads.
  void Run();
  Worker* NewWorker() REQUIRES(mutex_);
  bool Drive(Seat* seat, uint64_t* look_again_ns);
  Seat* NextSeat(Worker* self, Lock* lock) REQUIRES(mutex_);
  void Spin(Lock* lock) REQUIRES(mutex_);
  void Park(Worker* self) REQUIRES(mutex_);
  void CountThreadToStart() REQUIRES(mutex_);
  Status StartThread();

  // Instances.
  void LetGo(Seat* seat, bool left, uint64_t look_again_ns) REQUIRES(mutex_);
  void StopWaiting(Seat* seat) REQUIRES(mutex_);
  void PutInLine(Seat* seat) REQUIRES(mutex_);
  void LeaveLine(Seat* seat) REQUIRES(mutex_);
  void PutThoseDueInLine() REQUIRES(mutex_);
  void FindThread(Lock* lock) REQUIRES(mutex_);
  Worker* ChooseParked() REQUIRES(mutex_);
  void FindKeeper(Lock* lock) REQUIRES(mutex_);

  uint64_t NextAlarm() REQUIRES(mutex_);
  uint64_t PatienceNs() const REQUIRES(mutex_);
  size_t idle() const REQUIRES(mutex_) { return parked_.size() + (keeper_ != nullptr ? 1 : 0); }
  uint64_t first_due_ns() const REQUIRES(mutex_) {
    return waiting_.empty() ? kNever : waiting_.begin()->first;
  }

  const Options options_;
  mutable Mutex mutex_;
  CondVar retired_;
  CondVar thread_ended_;
  std::atomic<bool> ended_{false};

  std::deque<Worker> workers_ GUARDED_BY(mutex_);
  std::vector<Worker*> unused_ GUARDED_BY(mutex_);
  std::vector<Worker*> parked_ GUARDED_BY(mutex_);  // the last to park is the warmest
  // Parked like them, but wakes by itself at `keeper_ns_`, for who was first in `waiting_`.
  Worker* keeper_ GUARDED_BY(mutex_) = nullptr;
  uint64_t keeper_ns_ GUARDED_BY(mutex_) = kNever;
  size_t threads_ GUARDED_BY(mutex_) = 0;
  size_t looking_ GUARDED_BY(mutex_) = 0;     // of them; they look at the line before they park
  bool spinning_ GUARDED_BY(mutex_) = false;  // one of those who look does
  size_t limit_ GUARDED_BY(mutex_);
  uint64_t notifications_ GUARDED_BY(mutex_) = 0;

  Line line_ GUARDED_BY(mutex_);
  // Both as of the last unlock, for those who spin and those who drive.
  std::atomic<size_t> line_length_{0};
  std::atomic<uint64_t> next_due_ns_{kNever};                  // the first of `waiting_`
  std::multimap<uint64_t, Seat*> waiting_ GUARDED_BY(mutex_);  // left until some time
  std::multiset<size_t> instance_counts_ GUARDED_BY(mutex_);   // of each model

  uint64_t alarm_ns_ GUARDED_BY(mutex_) = kNever;  // it will ring by then
  // By then it must have been somebody's turn in line since `turns_seen_`; kNever: nobody waits.
  uint64_t stall_ns_ GUARDED_BY(mutex_) = kNever;
  uint64_t turns_ GUARDED_BY(mutex_) = 0;
  uint64_t turns_seen_ GUARDED_BY(mutex_) = 0;
};

class TRIDENT_THREAD_ATTRIBUTE(scoped_lockable) Executors::Pool::Lock {
 public:
  explicit Lock(Pool* pool) TRIDENT_THREAD_ATTRIBUTE(acquire_capability(pool->mutex_))
      : pool_(pool) {
    pool_->mutex_.Lock();
  }
  ~Lock() TRIDENT_THREAD_ATTRIBUTE(release_capability()) { Unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  template <typename Act>
  void Without(Act act) {
    Unlock();
    act();
    pool_->mutex_.Lock();
  }

  // One more thread, which counts from now on.
  void StartOne();
  bool starts_one() const { return start_; }

  Worker* wake = nullptr;

 private:
  void Unlock();

  Pool* const pool_;
  bool start_ = false;
};

}  // namespace trident
