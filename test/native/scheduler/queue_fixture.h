#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "scheduler/queue_scheduler.h"
#include "support/fake_model.h"

namespace trident {

// A dynamic batcher with two instances in virtual time, and the requests it was
// given.
class QueueFixture : public ::testing::Test {
 protected:
  QueueFixture() {
    batching_.dynamic = true;
    batching_.max_batch_size = 8;
  }

  void Make(BatchStrategy* strategy = nullptr) {
    SchedulerContext context{target_->signature(), clock_, timer_};
    context.order = order_;
    scheduler_ = std::make_unique<QueueScheduler>(context, batching_, policies_, strategy);
    for (int i = 0; i < 2; ++i) scheduler_->AddInstance();
  }

  FakeRequest& Add(uint64_t priority = 0, uint64_t timeout_us = 0, Shape shape = {1, 1}) {
    requests_.push_back(
        std::make_unique<FakeRequest>(target_, std::move(shape), std::to_string(requests_.size())));
    requests_.back()->request.priority = priority;
    requests_.back()->request.timeout_us = timeout_us;
    return *requests_.back();
  }

  Status TryEnqueue(FakeRequest& fake) {
    RequestPtr request = fake.Submit(clock_.now_ns);
    Status outcome;
    scheduler_->Enqueue({&request, 1}, {&outcome, 1});
    if (request != nullptr) request.release()->Withdraw();
    return outcome;
  }
  FakeRequest& Enqueue(uint64_t priority = 0, uint64_t timeout_us = 0, Shape shape = {1, 1}) {
    FakeRequest& fake = Add(priority, timeout_us, std::move(shape));
    EXPECT_TRUE(TryEnqueue(fake).ok());
    return fake;
  }

  // Time goes on to `now_ns`; who must act by then does.
  void AdvanceTo(uint64_t now_ns) {
    while (timer_->next() <= now_ns) {
      clock_.now_ns = std::max(clock_.now_ns, timer_->next());
      timer_->Advance(clock_.now_ns);
    }
    clock_.now_ns = now_ns;
  }

  // The requests of the batch that is due for `instance`, by their ids; it
  // stays busy.
  std::vector<std::string> Take(size_t instance, Batch* batch) {
    std::vector<std::string> ids;
    if (!scheduler_->TryTake(instance, batch, &look_again_)) return ids;
    for (const RequestPtr& request : *batch) ids.push_back(request->id);
    return ids;
  }
  // As Take, answers them, and the instance is free again.
  std::vector<std::string> Run(size_t instance = 0) {
    Batch batch;
    std::vector<std::string> ids = Take(instance, &batch);
    if (ids.empty()) return ids;
    for (RequestPtr& request : batch) Answer(std::move(request));
    scheduler_->Finished(instance);
    return ids;
  }

  static StatusCode CodeOf(const FakeRequest& fake) {
    return fake.sink->responses.empty() ? StatusCode::kOk
                                        : fake.sink->responses.back()->status().code();
  }

  void ExpectAllEndedOnce() {
    for (const auto& fake : requests_) {
      EXPECT_EQ(fake->releases, 1) << fake->request.id;
      EXPECT_EQ(fake->sink->finals, 1) << fake->request.id;
    }
    EXPECT_EQ(target_->in_flight.load(), 0);
  }

  using Ids = std::vector<std::string>;

  BatchPolicy batching_;
  QueuePolicies policies_;
  std::shared_ptr<ResponseOrder> order_;
  VirtualClock clock_;
  std::shared_ptr<ManualTimer> timer_ = std::make_shared<ManualTimer>();
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>();
  std::vector<std::unique_ptr<FakeRequest>> requests_;
  std::unique_ptr<QueueScheduler> scheduler_;
  uint64_t look_again_ = 0;
};

}  // namespace trident
