#include "base/timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

namespace trident {
namespace {

// Time that only moves when told; sleepers notice.
class SteppedClock : public Clock {
 public:
  uint64_t Now() override { return now_.load(); }
  void WaitUntil(CondVar& condition, Mutex& mutex, uint64_t) override {
    condition_.store(&condition);
    condition_.notify_all();
    condition.Wait(mutex);
  }
  // `mutex` is unknown here, so the sleeper may miss one call: keep calling until `done`.
  void Step(uint64_t now, const std::function<bool()>& done) {
    now_.store(now);
    condition_.wait(nullptr);
    while (!done()) condition_.load()->NotifyAll();
  }

 private:
  std::atomic<uint64_t> now_{0};
  std::atomic<CondVar*> condition_{nullptr};
};

class CountingAlarm : public Alarm {
 public:
  void Ring() override {
    rings.fetch_add(1);
    rings.notify_all();
    if (then) then();
  }
  std::atomic<int> rings{0};
  std::function<void()> then;
};

TEST(TimerThread, RingsAtTheEarliestTimeItWasSetFor) {
  SteppedClock clock;
  TimerThread timer(clock);
  CountingAlarm early, late;
  timer.RingBy(&late, 300);
  timer.RingBy(&early, 200);
  timer.RingBy(&early, 100);
  timer.RingBy(&early, 250);  // later than it is set for: no change
  clock.Step(100, [&] { return early.rings == 1; });
  EXPECT_EQ(late.rings, 0);
  clock.Step(300, [&] { return late.rings == 1; });
  EXPECT_EQ(early.rings, 1) << "once";
}

TEST(TimerThread, ForgottenAlarmsDoNotRing) {
  SteppedClock clock;
  TimerThread timer(clock);
  CountingAlarm forgotten, other;
  timer.RingBy(&forgotten, 100);
  timer.RingBy(&other, 100);
  timer.Forget(&forgotten);
  clock.Step(100, [&] { return other.rings == 1; });
  EXPECT_EQ(forgotten.rings, 0);
}

TEST(TimerThread, ForgetWaitsForARingUnderWay) {
  TimerThread timer(Clock::System());
  CountingAlarm alarm;
  std::atomic<bool> go{false}, over{false};
  alarm.then = [&] {
    go.wait(false);
    over = true;
  };
  timer.RingBy(&alarm, 1);
  alarm.rings.wait(0);
  std::thread forgets([&] {
    timer.Forget(&alarm);
    EXPECT_TRUE(over);
  });
  go = true;
  go.notify_all();
  forgets.join();
}

// Once, an alarm that was set again while Forget waited for its ring outlived its owner.
TEST(TimerThread, ForgottenWhileItRingsItMayNotBeSetByThat) {
  SteppedClock clock;
  TimerThread timer(clock);
  CountingAlarm alarm, other;
  std::atomic<bool> forgetting{false};
  alarm.then = [&] {
    if (alarm.rings > 1) return;
    forgetting.wait(false);
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // most likely Forget waits by then
    timer.RingBy(&alarm, 200);
  };
  timer.RingBy(&alarm, 100);
  std::thread owner([&] {
    alarm.rings.wait(0);
    forgetting = true;
    forgetting.notify_all();
    timer.Forget(&alarm);
  });
  clock.Step(100, [&] { return alarm.rings == 1; });
  owner.join();
  timer.RingBy(&other, 300);
  clock.Step(300, [&] { return other.rings == 1; });
  EXPECT_EQ(alarm.rings, 1);
}

TEST(TimerThread, MayRingAgainForgetAndEndFromARing) {
  auto timer = std::make_unique<TimerThread>(Clock::System());
  CountingAlarm alarm;
  std::atomic<bool> set{false};
  std::promise<void> ended;
  alarm.then = [&] {
    set.wait(false);
    if (alarm.rings < 3) return timer->RingBy(&alarm, 1);
    timer->Forget(&alarm);
    timer.reset();  // the last owner may let go here
    ended.set_value();
  };
  timer->RingBy(&alarm, 1);
  set = true;
  set.notify_all();
  ended.get_future().wait();
  EXPECT_EQ(alarm.rings, 3);
}

TEST(TimerThread, WithoutAlarmsThereIsNoThreadAndNothingToWaitFor) {
  TimerThread timer(Clock::System());
  CountingAlarm never;
  timer.RingBy(&never, kNever);
  timer.Forget(&never);
}

}  // namespace
}  // namespace trident
