#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/sequence_direct.h"
#include "scheduler/sequence_oldest.h"
#include "support/fake_model.h"

namespace trident {

inline constexpr uint64_t kMs = 1000000;
inline constexpr uint32_t kBoth = kSequenceStart | kSequenceEnd;

enum class Strategy { kDirect, kOldest };

// A scheduler of sequences in virtual time: requests go in by id and flags, batches come out and
// are answered when the test says so.
class SequenceFixture {
 public:
  SequenceFixture() {
    policy.batching.dynamic = true;
    policy.batching.max_batch_size = 8;
  }

  void Make(Strategy strategy, size_t instances = 1) {
    const SchedulerContext context{target->signature(), clock, timer};
    if (strategy == Strategy::kDirect) {
      scheduler = std::make_unique<DirectSequenceScheduler>(context, policy);
    } else {
      scheduler = std::make_unique<OldestSequenceScheduler>(context, policy);
    }
    for (size_t i = 0; i < instances; ++i) scheduler->AddInstance();
  }

  static CorrelationId Id(uint64_t number) { return {.number = number}; }
  static CorrelationId Id(const std::string& text) { return {.is_string = true, .text = text}; }

  FakeRequest& New(CorrelationId id, uint32_t flags, uint64_t timeout_us = 0,
                   Shape shape = {1, 1}) {
    requests.push_back(std::make_unique<FakeRequest>(target, std::move(shape)));
    InferenceRequest& request = requests.back()->request;
    request.correlation_id = std::move(id);
    request.flags = flags;
    request.timeout_us = timeout_us;
    return *requests.back();
  }

  // A refused request is withdrawn, as its caller would.
  Status Enqueue(FakeRequest& fake) {
    RequestPtr request = fake.Submit(clock.now_ns);
    Status outcome;
    scheduler->Enqueue({&request, 1}, {&outcome, 1});
    EXPECT_EQ(request == nullptr, outcome.ok());
    if (request != nullptr) request.release()->Withdraw();
    return outcome;
  }
  // Enqueues one that must be accepted.
  FakeRequest& Send(uint64_t id, uint32_t flags, uint64_t timeout_us = 0, Shape shape = {1, 1}) {
    FakeRequest& fake = New(Id(id), flags, timeout_us, std::move(shape));
    const Status status = Enqueue(fake);
    EXPECT_TRUE(status.ok()) << status.message();
    return fake;
  }
  Status TrySend(CorrelationId id, uint32_t flags) {
    FakeRequest& fake = New(std::move(id), flags);
    const Status status = Enqueue(fake);
    if (!status.ok()) {
      EXPECT_EQ(fake.sink->finals, 0) << "a refusal is the return value, nothing more";
      EXPECT_EQ(fake.releases, 0);
      requests.pop_back();
    }
    return status;
  }

  // What is due for the instance now; empty: nothing.
  Batch Take(size_t instance = 0) {
    Batch batch;
    (void)scheduler->TryTake(instance, &batch, &look_again);
    for (const RequestPtr& request : batch) request->MarkExecuting();
    return batch;
  }
  // The backend answers and releases what the test has left in the batch.
  void End(Batch batch, size_t instance = 0) {
    for (RequestPtr& request : batch) {
      if (request != nullptr) Answer(std::move(request));
    }
    scheduler->Finished(instance);
  }
  // Ids of the next batch, which is ended; 0 for a null request.
  std::vector<uint64_t> RunOne(size_t instance = 0) {
    Batch batch = Take(instance);
    std::vector<uint64_t> ids;
    for (const RequestPtr& request : batch) {
      ids.push_back(request->is_null ? 0 : request->correlation_id.number);
    }
    if (!batch.empty()) End(std::move(batch), instance);
    return ids;
  }

  void AdvanceTo(uint64_t ns) {
    clock.now_ns = ns;
    timer->Advance(ns);
  }
  void Advance(uint64_t ns) { AdvanceTo(clock.now_ns + ns); }

  static StatusCode CodeOf(const FakeRequest& fake) {
    EXPECT_EQ(fake.sink->finals, 1);
    EXPECT_EQ(fake.releases, 1);
    return fake.sink->responses.empty() ? StatusCode::kUnknown
                                        : fake.sink->responses[0]->status().code();
  }

  void ExpectAllEndedOnce() const {
    for (const auto& fake : requests) {
      EXPECT_EQ(fake->releases, 1);
      EXPECT_EQ(fake->sink->finals, 1);
    }
    EXPECT_EQ(target->in_flight.load(), 0);
  }

  // The bytes of a tensor the backend sees, as a T; fails the test when there is none.
  template <typename T>
  static T Read(InferenceRequest& request, const std::string& name) {
    T value{};
    const Result<InputTensor*> found = request.FindBackendInput(name);
    EXPECT_TRUE(found.ok()) << name;
    if (!found.ok()) return value;
    EXPECT_EQ((*found)->byte_size(), sizeof(T)) << name;
    memcpy(&value, (*found)->buffers()[0].data, sizeof(T));
    return value;
  }

  VirtualClock clock;
  std::shared_ptr<ManualTimer> timer = std::make_shared<ManualTimer>();
  std::shared_ptr<FakeTarget> target = std::make_shared<FakeTarget>();
  SequencePolicy policy;
  std::vector<std::unique_ptr<FakeRequest>> requests;
  std::unique_ptr<Scheduler> scheduler;  // before the requests it holds go
  uint64_t look_again = 0;
};

// A test run with both strategies; see INSTANTIATE_WITH_BOTH_STRATEGIES.
class EitherStrategy : public SequenceFixture, public ::testing::TestWithParam<Strategy> {
 protected:
  void Make(size_t instances = 1) { SequenceFixture::Make(GetParam(), instances); }
  void MakeWithSlots(size_t slots, size_t instances = 1) {
    policy.slots = slots;
    Make(instances);
  }
  void RunDry(size_t instance = 0) {
    while (!RunOne(instance).empty()) {
    }
  }
};

#define INSTANTIATE_WITH_BOTH_STRATEGIES(suite)                             \
  INSTANTIATE_TEST_SUITE_P(                                                 \
      Both, suite, ::testing::Values(Strategy::kDirect, Strategy::kOldest), \
      [](const auto& info) { return info.param == Strategy::kDirect ? "Direct" : "Oldest"; })

}  // namespace trident
