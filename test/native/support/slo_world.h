#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "scheduler/queue_scheduler.h"
#include "support/fake_model.h"

namespace trident {

// Requests that arrive at random, the production queue, and one executor whose batch of n items
// takes 2.0 + 0.1 n ms, at most 32 at a time; all in virtual time. What policies make of a load.
struct SloLoad {
  double of_capacity = 1;  // mean rate of arrivals; 1: what full batches can do
  bool bursts = false;     // all of it in 60 % of the time, in phases of 0.3 s on average
  double noise = 0;        // standard deviation of the durations, relative
  size_t arrivals = 400'000;
  uint64_t seed = 1;
};

struct SloPolicies {
  BatchPolicy batching;
  QueuePolicies queue;
};

struct SloResult {
  double attained = 0;             // of all requests: answered in time
  size_t refused = 0;              // requests
  double goodput_of_capacity = 0;  // answers in time, of what the executor could do meanwhile
  double late_of_accepted = 0;     // of all answers: too late
  double p50_ms = 0;               // of all answers
};

class SloWorld {
 public:
  static constexpr uint64_t kSloNs = 15'600'000;
  static constexpr uint32_t kMaxBatch = 32;
  static constexpr double DurationNs(double items) { return 2.0e6 + 0.1e6 * items; }

  static SloPolicies Eager() {
    SloPolicies policies;
    policies.batching.dynamic = true;
    policies.batching.max_batch_size = kMaxBatch;
    return policies;
  }
  static SloPolicies Timeout() {
    SloPolicies policies = Eager();
    policies.queue.default_policy.timeout_ns = kSloNs;
    return policies;
  }
  static SloPolicies Deadline(bool adaptive) {
    SloPolicies policies = Eager();
    policies.batching.adaptive_delay = adaptive;
    policies.queue.deadlines = true;
    policies.queue.slo_ns = kSloNs;
    return policies;
  }

  SloWorld(const SloPolicies& policies, const SloLoad& load)
      : load_(load),
        random_(load.seed),
        scheduler_({target_->signature(), clock_, timer_}, policies.batching, policies.queue) {
    scheduler_.AddInstance();
  }

  SloResult Run() {
    uint64_t next_arrival_ns = clock_.now_ns + NextGapNs();
    while (arrived_ < load_.arrivals || Waiting()) {
      if (arrived_ >= load_.arrivals) next_arrival_ns = kNever;
      clock_.now_ns =
          std::max(clock_.now_ns,
                   std::min({next_arrival_ns, batch_end_ns_, look_again_ns_, timer_->next()}));
      if (clock_.now_ns >= batch_end_ns_) EndBatch();
      timer_->Advance(clock_.now_ns);
      if (clock_.now_ns >= next_arrival_ns) {
        Arrive();
        next_arrival_ns = clock_.now_ns + NextGapNs();
      }
      if (batch_.empty()) BeginBatch();
    }
    return Result();
  }

 private:
  // A request that is used again and again.
  struct Client : ResponseSink {
    explicit Client(SloWorld* the_world) : world(the_world), request(the_world->target_, -1) {
      InputTensor* const input = *request.AddInput("in", DataType::kFp32, {1, 1});
      ConstBuffer buffer{&world->zero_, {}};
      buffer.attributes.byte_size = sizeof(float);
      (void)input->Append(buffer);
      request.on_release = [this](InferenceRequest*, uint32_t) { world->idle_.push_back(this); };
    }
    Status Allocate(const char*, uint64_t, OutputBuffer*) override { return Status::Ok(); }
    void Free(const OutputBuffer&) override {}
    Status Query(const char*, uint64_t*, BufferAttributes*) override { return Status::Ok(); }
    void Deliver(ResponsePtr response, uint32_t) override {
      if (response->status().ok()) {
        world->latencies_ns_.push_back(world->clock_.now_ns - request.start_ns());
      } else {
        ++world->refused_;
      }
    }
    SloWorld* const world;
    InferenceRequest request;
  };

  uint64_t NextGapNs() {
    const double capacity = kMaxBatch / DurationNs(kMaxBatch);  // per ns
    if (!load_.bursts) return Exponential(1 / (capacity * load_.of_capacity));
    const uint64_t gap_ns = Exponential(0.6 / (capacity * load_.of_capacity));
    uint64_t pause_ns = 0;
    for (; gap_ns > phase_left_ns_; phase_left_ns_ += Exponential(0.3e9)) {
      pause_ns += Exponential(0.2e9);
    }
    phase_left_ns_ -= gap_ns;
    return gap_ns + pause_ns;
  }
  uint64_t Exponential(double mean) {
    return static_cast<uint64_t>(std::exponential_distribution(1 / mean)(random_));
  }

  bool Waiting() const { return arrived_ > latencies_ns_.size() + refused_; }

  void Arrive() {
    ++arrived_;
    if (idle_.empty()) {
      clients_.push_back(std::make_shared<Client>(this));
      idle_.push_back(clients_.back().get());
    }
    Client* const client = idle_.back();
    idle_.pop_back();
    client->request.sink = std::shared_ptr<ResponseSink>(std::shared_ptr<void>(), client);
    EXPECT_TRUE(client->request.Prepare().ok());
    client->request.Submit(clock_.now_ns);
    RequestPtr request(&client->request);
    Status outcome;
    scheduler_.Enqueue({&request, 1}, {&outcome, 1});
    EXPECT_TRUE(outcome.ok());
  }

  void BeginBatch() {
    if (!scheduler_.TryTake(0, &batch_, &look_again_ns_)) return;
    look_again_ns_ = kNever;
    const double noise = 1 + load_.noise * std::normal_distribution()(random_);
    const double duration_ns = DurationNs(static_cast<double>(batch_.size()));
    batch_end_ns_ = clock_.now_ns + static_cast<uint64_t>(duration_ns * std::max(noise, 0.1));
  }

  void EndBatch() {
    for (RequestPtr& request : batch_) Answer(std::move(request));
    batch_.clear();
    batch_end_ns_ = kNever;
    scheduler_.Finished(0);
  }

  SloResult Result() {
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    const auto in_time =
        static_cast<double>(std::upper_bound(latencies_ns_.begin(), latencies_ns_.end(), kSloNs) -
                            latencies_ns_.begin());
    const auto answered = static_cast<double>(latencies_ns_.size());
    const double could = static_cast<double>(clock_.now_ns) * kMaxBatch / DurationNs(kMaxBatch);
    SloResult result;
    result.attained = in_time / static_cast<double>(arrived_);
    result.refused = refused_;
    result.goodput_of_capacity = in_time / could;
    if (answered == 0) return result;
    result.late_of_accepted = 1 - in_time / answered;
    result.p50_ms = static_cast<double>(latencies_ns_[latencies_ns_.size() / 2]) / 1e6;
    return result;
  }

  const SloLoad load_;
  std::mt19937_64 random_;
  const float zero_ = 0;
  VirtualClock clock_;
  std::shared_ptr<ManualTimer> timer_ = std::make_shared<ManualTimer>();
  std::shared_ptr<FakeTarget> target_ = std::make_shared<FakeTarget>(Shape{1}, kMaxBatch);
  std::vector<std::shared_ptr<Client>> clients_;
  std::vector<Client*> idle_;
  QueueScheduler scheduler_;
  Batch batch_;
  uint64_t batch_end_ns_ = kNever, look_again_ns_ = kNever;
  uint64_t phase_left_ns_ = 0;
  size_t arrived_ = 0, refused_ = 0;
  std::vector<uint64_t> latencies_ns_;
};

}  // namespace trident
