// What a waiting request costs its scheduler: enqueue and take, at several queue lengths, with
// priorities and timeouts in play. The production scheduler, one thread, the real clock. Prints one
// JSON object per length, as one array; times are nanoseconds per request, medians of the rounds.
//
// Each length keeps that many requests waiting: four levels, half of the requests in the first, all
// with a timeout and every other with a shorter one of its own. A step enqueues eight, one by one,
// and takes a batch of eight: the oldest of the first level, which in a long queue have left the
// cache long ago. Submitting requests, which clients do, is not measured. Rounds of all lengths
// alternate. The slowest hundredth of the steps is left out: they were interrupted. Neighbours in
// the queue lie apart in memory, as far as requests of a real client do: shuffled within each
// thousand.
//
// The floor: an enqueue and a take touch the lock, the clock (once a batch), the cache line of the
// request in which all its links lie and its entry in the timing wheel. In a short queue all of
// that is in the cache, and the cost is that of the instructions, a third of them for the timeouts.
// In a long one both lines come from memory, each for as long as a short queue takes in all if
// nobody asked for them early; RequestQueue asks, and requests lie in huge pages (Slab), so that
// translations are at hand as well. A long queue may cost 1.2 times a short one.

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "arguments.h"
#include "samples.h"
#include "scheduler/queue_scheduler.h"

namespace {

using namespace trident;  // NOLINT: a program of one file

constexpr char kUsage[] =
    "usage: trident_queue_cost [--lengths 10,100000] [--requests 400000] [--rounds 9]\n";
constexpr size_t kBatch = 8;
constexpr ptrdiff_t kScatter = 1000;

class Target : public InferenceTarget {
 public:
  Target() {
    signature_.name = "queue_cost";
    signature_.max_batch_size = kBatch;
  }
  const ModelSignature& signature() const override { return signature_; }
  ModelStatistics& statistics() override { return statistics_; }
  void RequestStarted() override {}
  void RequestEnded() override {}
  void Submit(std::span<InferenceRequest*>, std::span<Status>) override {}
  bool Reserve() override { return true; }
  void Unreserve() override {}
  void CancelQueued(InferenceRequest*) override {}

 private:
  ModelSignature signature_;
  ModelStatistics statistics_;
};

// Nobody answers here.
class NoSink : public ResponseSink {
 public:
  Status Allocate(const char*, uint64_t, OutputBuffer*) override { return Internal("no memory"); }
  void Free(const OutputBuffer&) override {}
  Status Query(const char*, uint64_t*, BufferAttributes*) override { return Internal("unknown"); }
  void Deliver(ResponsePtr, uint32_t) override {}
};

QueuePolicies Policies() {
  QueuePolicies policies;
  policies.levels = 4;
  policies.default_level = 4;
  policies.default_policy.timeout_ns = 600 * uint64_t{1000000000};
  policies.default_policy.allow_timeout_override = true;
  policies.by_level[2] = policies.default_policy;
  policies.by_level[2].delay = true;
  return policies;
}

// A queue that always holds as many.
class FullQueue {
 public:
  explicit FullQueue(size_t length)
      : scheduler_(
            {target_->signature(), Clock::System(), std::make_shared<TimerThread>(Clock::System())},
            BatchPolicy{.dynamic = true, .max_batch_size = kBatch}, Policies()) {
    scheduler_.AddInstance();
    for (size_t i = 0; i < length; ++i) requests_.push_back(Make(i % 2 == 0 ? 1 : 2 + i / 2 % 3));
    // Neighbours in the queue lie apart in memory, but no further than an allocator would put them.
    for (auto at = requests_.begin(); at != requests_.end();) {
      const auto end = at + std::min<ptrdiff_t>(kScatter, requests_.end() - at);
      std::shuffle(at, end, random_);
      at = end;
    }
    for (const auto& request : requests_) Enqueue(Submit(request.get()));
    for (size_t i = 0; i < kBatch; ++i) {
      requests_.push_back(Make(1));
      next_.push_back(requests_.back().get());
    }
  }

  ~FullQueue() {
    scheduler_.Stop();
    while (scheduler_.Take(0, &batch_)) {
      scheduler_.Finished(0);
      WithdrawAll();
    }
  }

  double NsPerRequest(size_t requests) {
    const size_t steps = requests / kBatch;
    spent_ns_.clear();
    for (size_t step = 0; step < steps; ++step) {
      RequestPtr arriving[kBatch];
      for (size_t i = 0; i < kBatch; ++i) arriving[i] = Submit(next_[i]);
      const uint64_t begin = NowNs();
      for (RequestPtr& request : arriving) Enqueue(std::move(request));
      uint64_t look_again_ns = 0;
      if (!scheduler_.TryTake(0, &batch_, &look_again_ns) || batch_.size() != kBatch) {
        bench::Die("the queue gave no full batch");
      }
      scheduler_.Finished(0);
      spent_ns_.push_back(NowNs() - begin);
      WithdrawAll();
    }
    // Without the slowest hundredth: those in which the machine did something else.
    std::sort(spent_ns_.begin(), spent_ns_.end());
    const size_t counted = steps - steps / 100;
    const uint64_t total =
        std::accumulate(spent_ns_.begin(), spent_ns_.begin() + counted, uint64_t{0});
    return static_cast<double>(total) / static_cast<double>(counted * kBatch);
  }

 private:
  std::unique_ptr<InferenceRequest> Make(uint64_t priority) {
    auto request = std::make_unique<InferenceRequest>(target_, -1);
    request->priority = priority;
    request->sink = sink_;
    request->on_release = [](InferenceRequest*, uint32_t) {};
    if (const Status status = request->Prepare(); !status.ok()) bench::Die(status.message());
    return request;
  }
  RequestPtr Submit(InferenceRequest* request) {
    // Every other asks for less than the policy gives, from seconds to minutes.
    request->timeout_us = random_() % 2 == 0 ? 0 : 5000000 + random_() % 500000000;
    request->Submit(NowNs());
    return RequestPtr(request);
  }
  void Enqueue(RequestPtr request) {
    Status outcome;
    scheduler_.Enqueue({&request, 1}, {&outcome, 1});
    if (!outcome.ok()) bench::Die(outcome.message());
  }
  // Those taken are the next to come: nobody waits for their answers.
  void WithdrawAll() {
    next_.clear();
    for (RequestPtr& request : batch_) {
      request->Withdraw();
      next_.push_back(request.release());
    }
    batch_.clear();
  }

  std::mt19937_64 random_{1};
  std::shared_ptr<Target> target_ = std::make_shared<Target>();
  std::shared_ptr<NoSink> sink_ = std::make_shared<NoSink>();
  std::vector<std::unique_ptr<InferenceRequest>> requests_;
  std::vector<InferenceRequest*> next_;  // not in the queue
  Batch batch_;
  std::vector<uint64_t> spent_ns_;
  QueueScheduler scheduler_;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage, {"lengths", "requests", "rounds"});
  const std::vector<uint64_t> lengths = arguments.Counts("lengths", {10, 100'000});
  const uint64_t requests = arguments.Count("requests", 400'000);
  const uint64_t rounds = arguments.Count("rounds", 9);
  if (std::ranges::min(lengths) < kBatch || requests < kBatch) {
    arguments.Refuse("lengths and requests must be numbers from 8 on");
  }
  std::vector<std::unique_ptr<FullQueue>> queues;
  for (const uint64_t length : lengths) queues.push_back(std::make_unique<FullQueue>(length));
  std::vector<std::vector<double>> times(queues.size());
  for (uint64_t round = 0; round <= rounds; ++round) {
    for (size_t i = 0; i < queues.size(); ++i) {
      const double ns = queues[i]->NsPerRequest(requests);
      if (round > 0) times[i].push_back(ns);  // the first warms up
    }
  }
  bench::Json rows = bench::Json::array();
  for (size_t i = 0; i < queues.size(); ++i) {
    rows.push_back({{"length", lengths[i]},
                    {"ns", bench::Rounded(bench::Median(times[i]))},
                    {"min_ns", bench::Rounded(std::ranges::min(times[i]))},
                    {"max_ns", bench::Rounded(std::ranges::max(times[i]))}});
  }
  printf("%s\n", rows.dump(1).c_str());
  return 0;
}
