#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/timer.h"
#include "model/executors.h"
#include "random.h"
#include "virtual_threads.h"

namespace trident::simulation {

// A clock that only the world moves.
class WorldClock : public Clock {
 public:
  uint64_t Now() override { return now_ns; }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) override {
    condition.WaitUntil(mutex, deadline_ns);
  }

  uint64_t now_ns = 1'000'000;
};

// The executors' clock. Without a lock only a thread that spins reads it, again and again: with
// each look some time goes by, or the others would never have their turn.
class SpinningClock : public Clock {
 public:
  SpinningClock(WorldClock& clock, VirtualThreads& threads) : clock_(clock), threads_(threads) {}

  uint64_t Now() override {
    if (threads_.held() == 0) threads_.SleepUntil(clock_.now_ns + kLookNs);
    return clock_.now_ns;
  }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) override {
    clock_.WaitUntil(condition, mutex, deadline_ns);
  }

  static constexpr uint64_t kLookNs = 10'000;

 private:
  WorldClock& clock_;
  VirtualThreads& threads_;
};

// A timer that rings late by up to `lateness_ns`, as a real one's thread may. Alarms of the same
// time ring in the order in which they were set.
class WorldTimer : public Timer {
 public:
  void RingBy(Alarm* alarm, uint64_t when_ns) override;
  void Forget(Alarm* alarm) override;

  uint64_t Next() const;  // when the next ring is due, lateness included
  void RingNext();

  uint64_t lateness_ns = 0;

 private:
  struct Setting {
    Alarm* alarm;
    uint64_t when_ns;
  };
  std::vector<Setting> settings_;
  Alarm* ringing_ = nullptr;
  const void* ringing_thread_ = nullptr;
};

// What lives in a world and is asked after every event.
class Resident {
 public:
  virtual ~Resident() = default;
  // Goes on with what can go on now; true if anything did.
  virtual bool Step() { return false; }
  // Nothing more happens before `next_ns`: the moment to say that something should have.
  virtual void InstantOver(uint64_t /*next_ns*/) {}
};

// One seed: a clock, a timer, threads and what is to happen, all on the caller's thread. Two worlds
// of one seed go through the same steps. Externally synchronised by its one thread.
class World {
 public:
  struct Options {
    uint64_t seed = 0;
    bool verbose = false;
  };
  explicit World(const Options& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  uint64_t now() const { return clock.now_ns; }
  void At(uint64_t when_ns, std::function<void()> action);
  // After about `delay_ns`: on the world's grid, so that things coincide.
  void After(uint64_t delay_ns, std::function<void()> action) {
    At(Grained(now() + delay_ns), std::move(action));
  }
  uint64_t Grained(uint64_t when_ns) const;
  // Until nothing is left to happen.
  void Run();

  void Join(Resident* resident) { residents_.push_back(resident); }
  void Leave(Resident* resident) { std::erase(residents_, resident); }

  // One line of the trace. `what` is a literal.
  void Note(const char* what, int64_t a = kNone, int64_t b = kNone, int64_t c = kNone);
  // What --verbose and a report say about the world, beside its steps; made when it is needed.
  void Describe(std::function<std::string()> text);
  template <typename... Parts>
  void Require(bool holds, const Parts&... parts) {
    if (!holds) Violation(StrCat(parts...).c_str());
  }
  // User code and backends are never called under a lock.
  void RequireNoLock(const char* where) {
    if (threads.held() != 0) Violation(where);
  }
  [[noreturn]] void Report(const char* what) const;

  uint64_t trace_hash() const { return hash_; }
  // Critical sections of different threads interleave: an observer sees things later than they
  // happen, so only what holds at any later time can be checked.
  bool preemptive() const { return threads.settings.preemption > 0; }

  const uint64_t seed;
  uint64_t grain_ns = 1;
  Random random;
  WorldClock clock;
  std::shared_ptr<WorldTimer> timer = std::make_shared<WorldTimer>();
  VirtualThreads threads;
  SpinningClock spinning_clock{clock, threads};
  // An instance that is free may have to wait for a thread.
  bool few_executors = false;
  // What its models share, made for the first that asks.
  Executors& executors();
  // Once all models have ended: no thread is left.
  void EndExecutors();

  static World* current;

 private:
  static constexpr int64_t kNone = INT64_MIN;
  struct Event {
    uint64_t when_ns;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {  // a priority_queue gives the greatest
      return when_ns != other.when_ns ? when_ns > other.when_ns : order > other.order;
    }
  };
  struct Line {
    uint64_t when_ns;
    const char* what;
    int64_t values[3];
  };
  static constexpr size_t kTail = 80;

  Executors::StartThread ThreadStarter();
  void Do(std::function<void()> action);
  void Settle();
  bool StartOneDue();
  uint64_t NextTime() const;
  void PassTo(uint64_t next_ns);
  void Hash(const void* bytes, size_t count);
  static void Print(const Line& line);

  const bool verbose_;
  std::priority_queue<Event> events_;
  uint64_t order_ = 0;
  std::vector<Resident*> residents_;
  std::unique_ptr<Executors> executors_;
  uint64_t hash_ = 0xcbf29ce484222325;
  std::vector<Line> tail_;
  size_t lines_ = 0;
  std::vector<std::function<std::string()>> descriptions_;
};

}  // namespace trident::simulation
