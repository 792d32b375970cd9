// Random sequences against both strategies, beside a model of what must hold: no two requests of
// one id with the backend at once, order inside an id, every request ended exactly once, batches
// within their bound, nothing left behind.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

class RandomSequences : public SequenceFixture, public ::testing::TestWithParam<Strategy> {
 protected:
  static constexpr uint64_t kIds = 6;

  unsigned Random(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  void MakeRandom(unsigned seed) {
    random_.seed(seed);
    timer = std::make_shared<ManualTimer>();
    policy = {};
    policy.slots = 1 + Random(4);
    policy.max_idle_ns = (5 + Random(20)) * kMs;
    policy.batching.dynamic = true;
    policy.batching.max_batch_size = 1 + Random(3);
    if (Random(2) == 0) {
      policy.max_queue_delay_ns = policy.batching.max_queue_delay_ns = 2 * kMs;
      policy.minimum_slot_utilization = 0.6F;
    }
    policy.preserve_ordering = Random(3) == 0;
    instances_ = 1 + Random(3);
    Make(GetParam(), instances_);
    removed_.assign(instances_, false);
  }

  void Arrive() {
    const uint64_t id = 1 + Random(kIds);
    const bool known = open_.count(id) != 0;
    uint32_t flags = 0;
    if (!known || Random(12) == 0) flags |= kSequenceStart;
    if (Random(4) == 0) flags |= kSequenceEnd;
    FakeRequest& fake = New(Id(id), flags, Random(3) == 0 ? 1000 * (1 + Random(8)) : 0);
    const Status status = Enqueue(fake);
    if (!status.ok()) {
      // The reference does not follow idleness and timeouts: then an id may be closed without it.
      ASSERT_TRUE(known || stopped_) << status.message();
      open_.erase(id);
      requests.pop_back();
      return;
    }
    arrivals_[id].push_back(&fake.request);
    if ((flags & kSequenceEnd) != 0) {
      open_.erase(id);
    } else {
      open_.insert(id);
    }
  }

  void TakeSome() {
    const size_t instance = Random(static_cast<unsigned>(instances_));
    if (busy_.count(instance) != 0) return;
    Batch batch = Take(instance);
    if (batch.empty()) return;
    const size_t bound =
        GetParam() == Strategy::kDirect ? policy.slots : policy.batching.max_batch_size;
    ASSERT_LE(batch.size(), bound);
    for (const RequestPtr& request : batch) {
      if (request->is_null) continue;
      const uint64_t id = request->correlation_id.number;
      ASSERT_TRUE(with_backend_.insert(id).second) << "two requests of sequence " << id;
      // The first of this id that has not ended.
      std::deque<InferenceRequest*>& line = arrivals_[id];
      while (!line.empty() && line.front()->state() == InferenceRequest::State::kIdle) {
        line.pop_front();
      }
      ASSERT_FALSE(line.empty());
      ASSERT_EQ(line.front(), request.get()) << "overtaken in sequence " << id;
    }
    held_[instance] = std::move(batch);
    busy_.insert(instance);
  }

  // The backend answers one request of a batch, or fails it; the last one ends the batch.
  void AnswerOne() {
    if (held_.empty()) return;
    auto at = held_.begin();
    std::advance(at, Random(static_cast<unsigned>(held_.size())));
    Batch& batch = at->second;
    const size_t which = Random(static_cast<unsigned>(batch.size()));
    RequestPtr request = std::move(batch[which]);
    batch.erase(batch.begin() + static_cast<std::ptrdiff_t>(which));
    if (!request->is_null) with_backend_.erase(request->correlation_id.number);
    if (Random(8) == 0) {
      RespondError(std::move(request), Internal("failed"));
    } else {
      Answer(std::move(request));
    }
    // Backends may return before they have released all.
    if (busy_.count(at->first) != 0 && (batch.empty() || Random(4) == 0)) {
      scheduler->Finished(at->first);
      busy_.erase(at->first);
    }
    if (batch.empty()) {
      held_.erase(at);
    } else if (busy_.count(at->first) == 0) {
      EndRest(&batch);
      held_.erase(at);
    }
  }
  void EndRest(Batch* batch) {
    for (RequestPtr& request : *batch) {
      if (!request->is_null) with_backend_.erase(request->correlation_id.number);
      Answer(std::move(request));
    }
  }

  void CancelSome() {
    if (requests.empty()) return;
    InferenceRequest& request = requests[Random(static_cast<unsigned>(requests.size()))]->request;
    if (request.state() == InferenceRequest::State::kIdle) return;
    ASSERT_TRUE(request.Cancel().ok());
    scheduler->Cancel(&request);
    open_.clear();  // the reference asks again
    for (uint64_t id = 1; id <= kIds; ++id) open_.insert(id);
  }

  void ChangeInstances() {
    const auto left = static_cast<size_t>(std::count(removed_.begin(), removed_.end(), false));
    if (Random(2) == 0 && left > 1) {
      const size_t instance = Random(static_cast<unsigned>(instances_));
      if (removed_[instance]) return;
      scheduler->RemoveInstance(instance);
      removed_[instance] = true;
    } else if (instances_ < 8) {
      scheduler->AddInstance();
      removed_.push_back(false);
      ++instances_;
    }
  }

  void Step() {
    switch (Random(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return Arrive();
      case 5:
      case 6:
      case 7:
      case 8:
        return TakeSome();
      case 9:
      case 10:
      case 11:
      case 12:
        return AnswerOne();
      case 13:
        return Advance(Random(4 * kMs));
      case 14:
        return CancelSome();
      default:
        if (Random(8) == 0) ChangeInstances();
    }
  }

  void Drain() {
    if (Random(2) == 0) {
      scheduler->Stop();
      stopped_ = true;
    }
    for (int idle = 0; idle < 40;) {
      while (!held_.empty()) AnswerOne();
      bool took = false;
      for (size_t i = 0; i < instances_; ++i) took = !RunOne(i).empty() || took;
      idle = took ? 0 : idle + 1;
      if (!took) Advance(5 * kMs);  // delays, idleness, timeouts
    }
    ExpectAllEndedOnce();
  }

  std::mt19937 random_;
  size_t instances_ = 1;
  bool stopped_ = false;
  std::vector<bool> removed_;
  std::set<uint64_t> open_;
  std::set<uint64_t> with_backend_;
  std::set<size_t> busy_;
  std::map<size_t, Batch> held_;
  std::map<uint64_t, std::deque<InferenceRequest*>> arrivals_;
};

TEST_P(RandomSequences, KeepOrderExclusivityAndCount) {
  const unsigned first_seed = std::random_device{}();
  for (unsigned round = 0; round < 300 && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("seed " + std::to_string(first_seed + round));
    MakeRandom(first_seed + round);
    for (int step = 0; step < 300 && !HasFatalFailure(); ++step) Step();
    if (!HasFatalFailure()) Drain();
    if (HasFailure()) break;
    scheduler.reset();
    requests.clear();
    open_.clear();
    arrivals_.clear();
    stopped_ = false;
  }
}

INSTANTIATE_WITH_BOTH_STRATEGIES(RandomSequences);

}  // namespace
}  // namespace trident
