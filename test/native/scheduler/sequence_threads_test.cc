// Real threads, real time: instances, clients, a backend that releases from a thread of its own,
// cancels and idleness. Under the thread sanitizer this is the race test of the sequence
// schedulers.

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include "scheduler/sequence_direct.h"
#include "scheduler/sequence_oldest.h"
#include "support/fake_model.h"

namespace trident {
namespace {

constexpr size_t kInstances = 2;
constexpr size_t kClients = 3;
constexpr size_t kSequencesEach = 40;
constexpr size_t kLength = 6;

// Ends requests some time after their instance is done with them.
class SlowReleaser {
 public:
  ~SlowReleaser() {
    {
      MutexLock lock(mutex_);
      ended_ = true;
    }
    more_.NotifyAll();
    thread_.join();
  }
  void Give(RequestPtr request) {
    {
      MutexLock lock(mutex_);
      requests_.push_back(std::move(request));
    }
    more_.NotifyAll();
  }

 private:
  void Work() {
    mutex_.Lock();
    for (;;) {
      if (requests_.empty()) {
        if (ended_) break;
        more_.Wait(mutex_);
        continue;
      }
      RequestPtr request = std::move(requests_.front());
      requests_.pop_front();
      mutex_.Unlock();
      Answer(std::move(request));
      mutex_.Lock();
    }
    mutex_.Unlock();
  }

  Mutex mutex_;
  CondVar more_;
  std::deque<RequestPtr> requests_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
  std::thread thread_{[this] { Work(); }};
};

class SequenceThreads : public ::testing::TestWithParam<bool> {};

TEST_P(SequenceThreads, EveryRequestEndsOnceAndSequencesStayApart) {
  const bool oldest = GetParam();
  const auto target = std::make_shared<FakeTarget>();
  const auto timer = std::make_shared<TimerThread>(Clock::System());
  SequencePolicy policy;
  policy.slots = 3;
  policy.max_idle_ns = 2000000;
  policy.batching.dynamic = true;
  policy.batching.max_batch_size = 3;
  policy.batching.max_queue_delay_ns = policy.max_queue_delay_ns = 100000;
  policy.minimum_slot_utilization = 0.5F;
  policy.preserve_ordering = true;
  const SchedulerContext context{target->signature(), Clock::System(), timer};
  std::unique_ptr<SequenceScheduler> scheduler;
  if (oldest) {
    scheduler = std::make_unique<OldestSequenceScheduler>(context, policy);
  } else {
    scheduler = std::make_unique<DirectSequenceScheduler>(context, policy);
  }
  for (size_t i = 0; i < kInstances; ++i) scheduler->AddInstance();

  std::atomic<int> with_backend[kClients * kSequencesEach + 1] = {};
  std::atomic<int> together{0};
  std::vector<std::unique_ptr<FakeRequest>> requests[kClients];
  {
    SlowReleaser releaser;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kInstances; ++i) {
      threads.emplace_back([&, i] {
        Batch batch;
        for (unsigned n = 0; scheduler->Take(i, &batch); ++n) {
          for (const RequestPtr& request : batch) {
            if (request->is_null) continue;
            if (with_backend[request->correlation_id.number].fetch_add(1) != 0) ++together;
          }
          for (RequestPtr& request : batch) {
            request->MarkExecuting();
            if (!request->is_null) with_backend[request->correlation_id.number].fetch_sub(1);
            if (n % 3 == 0) {
              releaser.Give(std::move(request));
            } else {
              Answer(std::move(request));
            }
          }
          batch.clear();
          scheduler->Finished(i);
        }
      });
    }
    std::vector<std::thread> clients;
    for (size_t c = 0; c < kClients; ++c) {
      clients.emplace_back([&, c] {
        std::mt19937 random(static_cast<unsigned>(c));
        // Three sequences side by side; now and then one is cancelled or left open.
        for (size_t s = 0; s < kSequencesEach; s += 2) {
          bool ended[2] = {};
          for (size_t step = 0; step < kLength; ++step) {
            for (size_t k = 0; k < 2; ++k) {
              if (ended[k]) continue;
              requests[c].push_back(std::make_unique<FakeRequest>(target, Shape{1, 1}));
              InferenceRequest& request = requests[c].back()->request;
              request.correlation_id.number = 1 + c * kSequencesEach + s + k;
              request.flags = step == 0 ? kSequenceStart : 0;
              if (step + 1 == kLength && random() % 5 != 0) request.flags |= kSequenceEnd;
              if (random() % 7 == 0) request.timeout_us = 300;
              RequestPtr owned = requests[c].back()->Submit(NowNs());
              Status outcome;
              scheduler->Enqueue({&owned, 1}, {&outcome, 1});
              if (!outcome.ok()) {  // its sequence has ended meanwhile
                owned.release()->Withdraw();
                requests[c].pop_back();
                ended[k] = true;
              } else if (random() % 20 == 0) {
                (void)request.Cancel();
                scheduler->Cancel(&request);
              }
            }
          }
        }
      });
    }
    for (std::thread& client : clients) client.join();
    scheduler->Stop();
    for (std::thread& thread : threads) thread.join();
  }
  scheduler.reset();  // waits for what the timer may still be answering
  EXPECT_EQ(together.load(), 0);
  for (const auto& of_client : requests) {
    for (const auto& fake : of_client) {
      EXPECT_EQ(fake->releases, 1);
      EXPECT_EQ(fake->sink->finals, 1);
    }
  }
  EXPECT_EQ(target->in_flight.load(), 0);
}

INSTANTIATE_TEST_SUITE_P(Both, SequenceThreads, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Oldest" : "Direct"; });

}  // namespace
}  // namespace trident
