#include "scheduler/priority_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "base/clock.h"
#include "support/fake_model.h"

namespace trident {
namespace {

constexpr uint64_t kMs = 1000 * 1000;

TEST(QueuePolicies, PriorityZeroOrBeyondTheLevelsIsTheDefaultLevel) {
  QueuePolicies policies;
  policies.levels = 3;
  policies.default_level = 2;
  EXPECT_EQ(policies.LevelOf(0), 2u);
  EXPECT_EQ(policies.LevelOf(1), 1u);
  EXPECT_EQ(policies.LevelOf(3), 3u);
  EXPECT_EQ(policies.LevelOf(4), 2u);
  EXPECT_EQ(policies.LevelOf(UINT64_MAX), 2u);
  EXPECT_EQ(QueuePolicies{}.LevelOf(7), 0u) << "without levels all are one";
}

TEST(QueuePolicies, ALevelHasItsOwnPolicyOrTheDefaultOne) {
  QueuePolicies policies;
  policies.default_policy.max_size = 5;
  policies.by_level[2].max_size = 7;
  EXPECT_EQ(policies.PolicyOf(1).max_size, 5u);
  EXPECT_EQ(policies.PolicyOf(2).max_size, 7u);
}

TEST(QueuePolicies, ARequestMayOnlyShortenItsTimeout) {
  LevelPolicy policy;
  policy.timeout_ns = 10 * kMs;
  EXPECT_EQ(DeadlineOf(policy, 5, 3000), 5 + 10 * kMs) << "not allowed to override";
  policy.allow_timeout_override = true;
  EXPECT_EQ(DeadlineOf(policy, 5, 3000), 5 + 3 * kMs);
  EXPECT_EQ(DeadlineOf(policy, 5, 0), 5 + 10 * kMs) << "0 does not override";
  EXPECT_EQ(DeadlineOf(policy, 5, 10000), 5 + 10 * kMs);
  EXPECT_EQ(DeadlineOf(policy, 5, 10001), 5 + 10 * kMs) << "a longer one does not override";
  EXPECT_EQ(DeadlineOf(policy, 5, UINT64_MAX), 5 + 10 * kMs) << "nor one beyond all bounds";
  policy.timeout_ns = 0;
  EXPECT_EQ(DeadlineOf(policy, 5, 3000), kNever)
      << "without a default there is nothing to override";
}

TEST(QueuePolicies, ATimeoutBeyondTheEndOfTimeIsNone) {
  LevelPolicy policy;
  policy.timeout_ns = UINT64_MAX - 3;
  EXPECT_EQ(DeadlineOf(policy, 5, 0), kNever);
}

// Requests and the queue, with all that must hold of them checked against an
// ordered map.
class QueueModel {
 public:
  explicit QueueModel(QueuePolicies policies) : policies_(policies), queue_(std::move(policies)) {}
  ~QueueModel() {
    while (!queue_.empty()) queue_.PopFront();
  }

  // What the queue should do, in the order of service.
  struct Place {
    uint64_t level;
    uint64_t expired_ns;  // 0: in time
    uint64_t arrival;
    auto operator<=>(const Place&) const = default;
  };

  void Push(uint64_t now, uint64_t priority, uint64_t timeout_us) {
    FakeRequest& fake = Idle();
    fake.request.priority = priority;
    fake.request.timeout_us = timeout_us;
    RequestPtr request = fake.Submit(now);
    const uint64_t level = policies_.LevelOf(priority);
    const LevelPolicy& policy = policies_.PolicyOf(level);
    const bool full = policy.max_size != 0 && SizeOf(level) >= policy.max_size;
    const std::optional<uint64_t> deadline = queue_.PushBack(request);
    ASSERT_EQ(deadline.has_value(), !full);
    if (full) {
      ASSERT_NE(request, nullptr);
      return;
    }
    ASSERT_EQ(request, nullptr);
    ASSERT_EQ(*deadline, DeadlineOf(policy, now, timeout_us));
    waiting_[{level, 0, ++arrivals_}] = {&fake.request, *deadline};
  }

  void Pop() {
    ASSERT_EQ(queue_.empty(), waiting_.empty());
    if (waiting_.empty()) return;
    ASSERT_EQ(queue_.PopFront().get(), waiting_.begin()->second.first);
    waiting_.erase(waiting_.begin());
  }

  void Remove(size_t index) {
    if (waiting_.empty()) return;
    const auto at = std::next(waiting_.begin(), index % waiting_.size());
    InferenceRequest* const request = at->second.first;
    ASSERT_EQ(queue_.Remove(request).get(), request);
    ASSERT_EQ(queue_.Remove(request), nullptr) << "it is out already";
    waiting_.erase(at);
  }

  void Expire(uint64_t now) {
    std::vector<std::tuple<uint64_t, uint64_t, Place>> expired;  // by deadline, then arrival
    for (const auto& [place, request] : waiting_) {
      if (place.expired_ns == 0 && request.second <= now) {
        expired.emplace_back(request.second, place.arrival, place);
      }
    }
    std::sort(expired.begin(), expired.end());
    std::vector<InferenceRequest*> should_be_rejected;
    for (const auto& [deadline, arrival, place] : expired) {
      const auto request = waiting_[place];
      waiting_.erase(place);
      if (policies_.PolicyOf(place.level).delay) {
        waiting_[{place.level, deadline, arrival}] = request;
      } else {
        should_be_rejected.push_back(request.first);
      }
    }
    RequestQueue rejected;
    queue_.Expire(now, &rejected);
    std::vector<InferenceRequest*> were_rejected;
    while (!rejected.empty()) were_rejected.push_back(rejected.PopFront().get());
    ASSERT_EQ(were_rejected, should_be_rejected);
    ASSERT_GT(queue_.NextExpiryAtLeast(), now);
  }

  void Check() const {
    ASSERT_EQ(queue_.size(), waiting_.size());
    uint64_t items = 0;
    uint64_t earliest = kNever;
    PriorityQueue::Cursor at(queue_);
    for (const auto& [place, request] : waiting_) {
      ASSERT_EQ(at.get(), request.first);
      at.Advance();
      items += request.first->batch_size();
      if (place.expired_ns == 0) earliest = std::min(earliest, request.second);
    }
    ASSERT_EQ(at.get(), nullptr);
    ASSERT_EQ(queue_.items(), items);
    ASSERT_LE(queue_.NextExpiryAtLeast(), earliest);
  }

  size_t size() const { return waiting_.size(); }

 private:
  FakeRequest& Idle() {
    for (const auto& fake : fakes_) {
      if (fake->request.state() == InferenceRequest::State::kIdle) return *fake;
    }
    const auto items = static_cast<int64_t>(1 + fakes_.size() % 3);
    fakes_.push_back(std::make_unique<FakeRequest>(target_, Shape{items, 1}));
    return *fakes_.back();
  }
  size_t SizeOf(uint64_t level) const {
    return static_cast<size_t>(
        std::count_if(waiting_.begin(), waiting_.end(),
                      [&](const auto& waiting) { return waiting.first.level == level; }));
  }

  const QueuePolicies policies_;
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>();
  std::vector<std::unique_ptr<FakeRequest>> fakes_;
  PriorityQueue queue_;
  std::map<Place, std::pair<InferenceRequest*, uint64_t>> waiting_;  // with the deadline
  uint64_t arrivals_ = 0;
};

QueuePolicies RandomPolicies(std::mt19937_64& random) {
  QueuePolicies policies;
  const auto policy = [&] {
    LevelPolicy one;
    // From nanoseconds to minutes, so that all levels of the wheel take part.
    if (random() % 4 != 0) one.timeout_ns = 1 + random() % (uint64_t{1} << (random() % 37));
    one.allow_timeout_override = random() % 2 == 0;
    one.delay = random() % 2 == 0;
    if (random() % 3 == 0) one.max_size = static_cast<uint32_t>(1 + random() % 8);
    return one;
  };
  policies.levels = random() % 3 == 0 ? 0 : random() % 5;
  if (random() % 8 == 0) policies.levels = UINT64_MAX;
  policies.default_level = policies.levels == 0 ? 0 : 1 + random() % policies.levels;
  policies.default_policy = policy();
  for (uint64_t level = 1; level <= policies.levels && level < 5; ++level) {
    if (random() % 2 == 0) policies.by_level[level] = policy();
  }
  return policies;
}

TEST(PriorityQueue, DoesWhatTheModelSaysForRandomHistories) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int history = 0; history < 300; ++history) {
    QueueModel model(RandomPolicies(random));
    uint64_t now = 1 + random() % (uint64_t{1} << (random() % 63));
    const int steps = 50 + static_cast<int>(random() % 150);
    for (int step = 0; step < steps; ++step) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
          model.Push(now, random() % 7,
                     random() % 3 == 0 ? random() % (uint64_t{1} << (random() % 30)) : 0);
          break;
        case 4:
          model.Pop();
          break;
        case 5:
          model.Remove(random());
          break;
        default:
          now += random() % (uint64_t{1} << (random() % 34));
          model.Expire(now);
      }
      if (HasFatalFailure()) return;
      model.Check();
      if (HasFatalFailure()) return;
    }
  }
}

// Thousands in a row of slots: what is close together in time must still come
// out one by one.
TEST(PriorityQueue, ManyTimeoutsEndInTheirOrder) {
  QueuePolicies policies;
  policies.default_policy.timeout_ns = 1000 * kMs;
  policies.default_policy.allow_timeout_override = true;
  QueueModel model(policies);
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) model.Push(1 + static_cast<uint64_t>(i), 0, 1 + random() % 900000);
  for (uint64_t now = 2001; model.size() > 0; now += 10 * kMs) {
    model.Expire(now);
    ASSERT_FALSE(HasFatalFailure());
  }
  model.Check();
}

// Between the submission of a request and its arrival here, time goes on.
TEST(PriorityQueue, WhatComesAfterItsTimeoutExpiresAtOnce) {
  QueuePolicies policies;
  policies.default_policy.timeout_ns = 10;
  QueueModel model(policies);
  model.Push(1000, 0, 0);
  model.Expire(1005);
  model.Push(1001, 0, 0);
  model.Expire(1010);  // the wheel stands at 1010
  model.Push(1000 - 50, 0, 0);
  model.Check();
  model.Expire(1010);
  EXPECT_EQ(model.size(), 1u) << "the second has a nanosecond left";
  model.Expire(1011);
  EXPECT_EQ(model.size(), 0u);
}

TEST(PriorityQueue, ForgetsRequestsOfOtherQueues) {
  const auto target = std::make_shared<FakeTarget>();
  FakeRequest fake(target, {1, 1});
  PriorityQueue queue(QueuePolicies{}), other(QueuePolicies{});
  RequestPtr request = fake.Submit(1);
  ASSERT_TRUE(other.PushBack(request).has_value());
  EXPECT_EQ(queue.Remove(&fake.request), nullptr);
  EXPECT_EQ(other.Remove(&fake.request).get(), &fake.request);
}

}  // namespace
}  // namespace trident
