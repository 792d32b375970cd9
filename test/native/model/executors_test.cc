// Threads that drive instances: real threads, virtual time.

#include "model/executors.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "base/timer.h"

namespace trident {
namespace {

// What happens to all of a test's instances, in order.
class Script {
 public:
  void Note(const std::string& what) {
    std::lock_guard lock(mutex_);
    notes_.push_back(what);
    changed_.notify_all();
  }
  // Waits until `count` things have happened, and says which.
  std::vector<std::string> Await(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return notes_.size() >= count; });
    return notes_;
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return notes_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

// An instance with so many batches to execute, each of which takes as long as the gate is closed.
class Worker : public Driven {
 public:
  Worker(Executors& executors, Script& script, std::string name)
      : executors_(executors),
        script_(script),
        name_(std::move(name)),
        waker_(executors.Add(this)) {}
  ~Worker() override {
    Open();
    executors_.Retire(waker_.get());
  }

  // `batches` more to execute; calls a thread.
  void Work(int batches = 1) {
    {
      std::lock_guard lock(mutex_);
      batches_ += batches;
    }
    waker_->Wake();
  }
  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void Open() {
    std::lock_guard lock(mutex_);
    closed_ = false;
    opened_.notify_all();
  }
  void LookAgainAt(uint64_t ns) { look_again_ns_ = ns; }

  bool RunBatch(uint64_t* look_again_ns) override {
    std::unique_lock lock(mutex_);
    *look_again_ns = look_again_ns_.exchange(kNever);
    if (batches_ == 0) {
      script_.Note(name_ + " left");
      return false;
    }
    EXPECT_FALSE(std::exchange(running_, true)) << "two threads at one instance";
    --batches_;
    script_.Note(name_);
    opened_.wait(lock, [&] { return !closed_; });
    running_ = false;
    return true;
  }

 private:
  Executors& executors_;
  Script& script_;
  const std::string name_;
  std::mutex mutex_;
  std::condition_variable opened_;
  int batches_ = 0;
  bool closed_ = false;
  bool running_ = false;
  std::atomic<uint64_t> look_again_ns_{kNever};
  std::shared_ptr<Waker> waker_;
};

// A clock and a timer that other threads may read and set.
class SharedClock : public Clock {
 public:
  uint64_t Now() override { return now_ns.load(); }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t deadline_ns) override {
    // Nothing else is going to happen: so the time is over.
    if (deadline_ns == kNever) return condition.Wait(mutex);
    now_ns.store(std::max(now_ns.load(), deadline_ns));
  }
  std::atomic<uint64_t> now_ns{1};
};

class SharedTimer : public Timer {
 public:
  void RingBy(Alarm* alarm, uint64_t when_ns) override {
    std::lock_guard lock(mutex_);
    alarm_ = alarm;
    next_ns_ = std::min(next_ns_, when_ns);
  }
  void Forget(Alarm*) override {}
  uint64_t next() {
    std::lock_guard lock(mutex_);
    return next_ns_;
  }
  void Advance(uint64_t now_ns) {
    if (next() > now_ns) return;
    {
      std::lock_guard lock(mutex_);
      next_ns_ = kNever;
    }
    alarm_->Ring();
  }

 private:
  std::mutex mutex_;
  Alarm* alarm_ = nullptr;
  uint64_t next_ns_ = kNever;
};

constexpr uint64_t kForEver = kNever;  // how long a thread may spin

class ExecutorsTest : public ::testing::Test {
 protected:
  void Make(size_t core_count, uint64_t spin_ns = 0) {
    Executors::Options options{.timer = timer_, .clock = clock_};
    options.core_count = core_count;
    options.spin_ns = spin_ns;
    options.start_thread = [this](std::function<void()> body) {
      if (no_threads_) {
        throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
      }
      std::thread(std::move(body)).detach();
    };
    executors_ = std::make_unique<Executors>(options);
  }
  Worker& Add(const std::string& name) { return workers_.emplace_back(*executors_, script_, name); }
  // Until the threads are as `holds` wants them: nothing else happens meanwhile.
  template <typename Condition>
  Executors::Counts Until(Condition holds) {
    for (;;) {
      const Executors::Counts counts = executors_->counts();
      if (holds(counts)) return counts;
      std::this_thread::yield();
    }
  }
  Executors::Counts UntilAllParked() {
    return Until([](const auto& counts) { return counts.parked == counts.threads; });
  }
  void PassMs(uint64_t ms) {
    clock_.now_ns += ms * 1000 * 1000;
    timer_->Advance(clock_.Now());
  }

  SharedClock clock_;
  std::shared_ptr<SharedTimer> timer_ = std::make_shared<SharedTimer>();
  std::atomic<bool> no_threads_{false};
  Script script_;
  std::unique_ptr<Executors> executors_;
  std::deque<Worker> workers_;  // end before the executors
};

using Notes = std::vector<std::string>;

TEST_F(ExecutorsTest, StartAtTheFirstCallAndOnlyAsManyAsAreNeeded) {
  Make(4);
  EXPECT_EQ(executors_->counts().threads, 0u);
  Worker& a = Add("a");
  for (int i = 0; i < 5; ++i) {
    a.Work();
    script_.Await(static_cast<size_t>(2 * i + 2));
    EXPECT_EQ(UntilAllParked().threads, 1u);
  }
}

TEST_F(ExecutorsTest, AnIdleCallCostsOneNotificationAndABusyOneNone) {
  Make(2);
  Worker& a = Add("a");
  ASSERT_TRUE(executors_->Start().ok());
  UntilAllParked();
  a.Close();
  a.Work();
  script_.Await(1);
  EXPECT_EQ(executors_->counts().notifications, 1u);
  for (int i = 0; i < 100; ++i) a.Work();
  EXPECT_EQ(executors_->counts().notifications, 1u);
  a.Open();
  script_.Await(102);
  EXPECT_EQ(UntilAllParked().notifications, 1u);
  EXPECT_EQ(executors_->counts().threads, 1u);
}

TEST_F(ExecutorsTest, ASpinningThreadNeedsNoNotification) {
  Make(2, kForEver);
  Worker& a = Add("a");
  ASSERT_TRUE(executors_->Start().ok());
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(Until([](const auto& counts) { return counts.looking == 1; }).parked, 0u);
    a.Work();
    script_.Await(2 * i + 2);
  }
  EXPECT_EQ(executors_->counts().notifications, 0u);
  EXPECT_EQ(executors_->counts().threads, 1u);
}

TEST_F(ExecutorsTest, OfTwoThreadsWithoutWorkOneSpinsAndTheOtherParks) {
  Make(2, kForEver);
  for (const char* name : {"a", "b"}) {
    Worker& one = Add(name);
    one.Close();
    one.Work();
    script_.Await(workers_.size());
  }
  for (Worker& one : workers_) one.Open();
  Until([](const auto& counts) { return counts.looking + counts.parked == 2; });
  EXPECT_EQ(executors_->counts().looking, 1u);
  EXPECT_EQ(executors_->counts().parked, 1u);
  workers_.front().Work();
  script_.Await(6);
  EXPECT_EQ(Until([](const auto& counts) { return counts.looking == 1; }).notifications, 0u);
}

// Nobody else would: neither a thread that parks nor the alarm.
TEST_F(ExecutorsTest, ASpinningThreadVisitsWhomAnotherLeftForATimeAndEnded) {
  Make(1, kForEver);
  Worker& spins = Add("spins");
  Worker& parks = Add("parks");
  Worker& ends = Add("ends");
  for (Worker& one : workers_) {
    one.Close();
    one.Work();
  }
  script_.Await(1);
  for (size_t threads = 2; threads <= 3; ++threads) {
    while (executors_->counts().threads < threads) PassMs(1);
    script_.Await(threads);
  }
  spins.Open();
  Until([](const auto& counts) { return counts.looking == 1; });
  parks.Open();
  Until([](const auto& counts) { return counts.parked == 1; });
  const uint64_t due_ns = clock_.Now() + 100;
  ends.LookAgainAt(due_ns);
  ends.Open();
  Until([](const auto& counts) { return counts.threads == 2; });
  EXPECT_EQ(script_.Await(6).back(), "ends left");
  EXPECT_EQ(timer_->next(), kNever);
  clock_.now_ns = due_ns;
  EXPECT_EQ(script_.Await(7).back(), "ends left");
  EXPECT_EQ(executors_->counts().notifications, 0u);
}

TEST_F(ExecutorsTest, EndWhileAThreadSpins) {
  Make(2, kForEver);
  ASSERT_TRUE(executors_->Start().ok());
  Until([](const auto& counts) { return counts.looking == 1 && counts.threads == 1; });
  executors_ = nullptr;
}

TEST_F(ExecutorsTest, NoMoreThanTheLimitRunAndTheOthersTakeTurns) {
  Make(1);
  Worker& a = Add("a");
  Worker& b = Add("b");
  Worker& c = Add("c");
  a.Close();
  a.Work(3);
  script_.Await(1);
  b.Work(3);
  c.Work(3);
  EXPECT_EQ(executors_->counts().threads, 1u);
  EXPECT_EQ(executors_->counts().in_line, 2u);
  a.Open();
  Notes turns = script_.Await(9);
  turns.resize(9);
  EXPECT_EQ(turns, (Notes{"a", "b", "c", "a", "b", "c", "a", "b", "c"}));
  EXPECT_EQ(UntilAllParked().threads, 1u);
}

TEST_F(ExecutorsTest, AModelWithMoreInstancesThanCoresMayRunThemAll) {
  Make(1);
  executors_->CountInstances(0, 3);
  for (const char* name : {"a", "b", "c", "d"}) {
    Worker& one = Add(name);
    one.Close();
    one.Work();
  }
  script_.Await(3);
  EXPECT_EQ(executors_->counts().threads, 3u);
  EXPECT_EQ(executors_->counts().in_line, 1u);
  for (Worker& one : workers_) one.Open();
  UntilAllParked();
  executors_->CountInstances(3, 0);
  Until([](const auto& counts) { return counts.threads == 1; });
}

TEST_F(ExecutorsTest, BlockedThreadsAreReplacedAfterAMillisecond) {
  Make(2);
  for (const char* name : {"a", "b", "c", "d"}) {
    Worker& one = Add(name);
    one.Close();
    one.Work();
    script_.Await(std::min<size_t>(workers_.size(), 2));
  }
  EXPECT_EQ(timer_->next(), clock_.Now() + 1000 * 1000);
  EXPECT_EQ(executors_->counts().threads, 2u);
  PassMs(1);
  EXPECT_EQ(script_.Await(3).back(), "c");
  EXPECT_EQ(executors_->counts().threads, 3u);
  PassMs(1);  // the next one has to wait longer
  EXPECT_EQ(executors_->counts().threads, 3u);
  PassMs(1);
  PassMs(1);
  EXPECT_EQ(script_.Await(4).back(), "d");
  for (Worker& one : workers_) one.Open();
  // Those that are too many end.
  Until([](const auto& counts) { return counts.parked == 2 && counts.threads == 2; });
}

TEST_F(ExecutorsTest, ManyBlockedThreadsAreReplacedAtMostFourMillisecondsApart) {
  Make(2);
  constexpr size_t kBlocked = 12;
  for (size_t i = 0; i < kBlocked; ++i) {
    Worker& one = Add("blocked");
    one.Close();
    one.Work();
    script_.Await(std::min<size_t>(workers_.size(), 2));
  }
  std::vector<int> gaps_ms;
  for (size_t threads = 3; threads <= kBlocked; ++threads) {
    int gap_ms = 0;
    for (; executors_->counts().threads < threads; ++gap_ms) PassMs(1);
    gaps_ms.push_back(gap_ms);
    script_.Await(threads);
  }
  EXPECT_EQ(gaps_ms, (std::vector<int>{1, 2, 3, 4, 4, 4, 4, 4, 4, 4}));
}

TEST_F(ExecutorsTest, ALineThatMovesGetsNoMoreThreads) {
  Make(1);
  Worker& a = Add("a");
  Worker& b = Add("b");
  Worker& c = Add("c");
  for (Worker* one : {&a, &b, &c}) one->Close();
  a.Work();
  script_.Await(1);
  b.Work();
  c.Work();
  a.Open();
  script_.Await(2);
  PassMs(1);  // c still waits, but b had its turn
  EXPECT_EQ(executors_->counts().threads, 1u);
  b.Open();
  EXPECT_EQ(script_.Await(3).back(), "c");
}

TEST_F(ExecutorsTest, WhoIsLeftForATimeIsVisitedThenByTheThreadThatParks) {
  Make(2);
  Worker& a = Add("a");
  a.LookAgainAt(100);
  a.Work(0);
  EXPECT_EQ(script_.Await(2), (Notes{"a left", "a left"}));
  EXPECT_EQ(clock_.Now(), 100u);
  EXPECT_EQ(timer_->next(), kNever);
  EXPECT_EQ(UntilAllParked().threads, 1u);
  EXPECT_EQ(executors_->counts().notifications, 0u);
}

TEST_F(ExecutorsTest, WithoutAnyThreadTheStartFails) {
  Make(2);
  no_threads_ = true;
  EXPECT_EQ(executors_->Start().code(), StatusCode::kUnavailable);
  EXPECT_EQ(executors_->counts().threads, 0u);
  no_threads_ = false;
  EXPECT_TRUE(executors_->Start().ok());
}

TEST_F(ExecutorsTest, WithoutAnotherThreadInstancesWaitForThoseThereAre) {
  Make(2);
  ASSERT_TRUE(executors_->Start().ok());
  UntilAllParked();
  Worker& a = Add("a");
  Worker& b = Add("b");
  a.Close();
  a.Work();
  script_.Await(1);
  no_threads_ = true;
  b.Work();
  PassMs(1);
  EXPECT_EQ(executors_->counts().threads, 1u);
  EXPECT_EQ(executors_->counts().in_line, 1u);
  a.Open();
  script_.Await(3);
}

TEST_F(ExecutorsTest, AreFreeToEndOnOneOfTheirOwnThreads) {
  struct Last : Driven {
    std::unique_ptr<Executors>* executors = nullptr;
    Script* script = nullptr;
    bool RunBatch(uint64_t*) override {
      *executors = nullptr;
      script->Note("ended");
      return false;
    }
  };
  Make(2);
  Last last;
  last.executors = &executors_;
  last.script = &script_;
  // For good: the thread lets go of it after the note, and nothing tells when.
  static const auto* const waker = new std::shared_ptr<Waker>(executors_->Add(&last));
  (*waker)->Wake();
  EXPECT_EQ(script_.Await(1), Notes{"ended"});
}

TEST_F(ExecutorsTest, NobodyIsDrivenOnceItIsRetired) {
  Make(1);
  struct Counted : Driven {
    std::atomic<int> visits{0};
    bool RunBatch(uint64_t*) override {
      ++visits;
      return false;
    }
  };
  Worker& a = Add("a");
  a.Close();
  a.Work();
  script_.Await(1);
  Counted in_line;
  const std::shared_ptr<Waker> waker = executors_->Add(&in_line);
  waker->Wake();
  executors_->Retire(waker.get());
  waker->Wake();
  a.Open();
  script_.Await(2);
  UntilAllParked();
  EXPECT_EQ(in_line.visits, 0);
}

}  // namespace
}  // namespace trident
