#include "closed_loop.h"

#include <latch>
#include <thread>

#include "arguments.h"

namespace trident::bench {
namespace {

constexpr size_t kExpectedSamples = 1 << 18;

void Submit(Slot* slot) {
  slot->submitted_ns = NowNs();
  Must(slot->Submit());
}

void MustBeAnswered(const Slot& slot) {
  if (*slot.error() != '\0') Die("a request failed: " + std::string(slot.error()));
}

struct Period {
  explicit Period(double seconds)
      : warm_ns(NowNs() + static_cast<uint64_t>(seconds * 0.2e9)),
        end_ns(warm_ns + static_cast<uint64_t>(seconds * 1e9)) {}
  bool Measures(const Slot& slot) const {
    return slot.submitted_ns >= warm_ns && slot.ended_ns <= end_ns;
  }

  const uint64_t warm_ns;
  const uint64_t end_ns;
};

// One thread submits. What it executed itself is over when it looks; the rest comes by the queue.
class FromThread : public SlotOwner {
 public:
  FromThread(double seconds, OverQueue* queue) : period_(seconds), queue_(*queue) {
    times_ns_.reserve(kExpectedSamples);
  }

  void Over(Slot* slot) override {
    if (std::this_thread::get_id() != submitter_) return queue_.Push(slot);
    slot->ended_ns = NowNs();
    ++inline_;
    here_.push_back(slot);
  }

  void Run(const std::vector<std::unique_ptr<Slot>>& slots) {
    for (const auto& slot : slots) Submit(slot.get());
    size_t going = slots.size();
    std::vector<Slot*> from_here, from_queue;
    while (going > 0) {
      from_here.clear();
      from_here.swap(here_);
      queue_.Take(&from_queue, /*wait=*/from_here.empty());
      for (Slot* slot : from_here) going -= Continue(slot) ? 0 : 1;
      for (Slot* slot : from_queue) {
        slot->ended_ns = NowNs();
        going -= Continue(slot) ? 0 : 1;
      }
    }
  }

  std::vector<uint64_t>& times_ns() { return times_ns_; }
  double inline_share() const {
    return ended_ == 0 ? 0 : static_cast<double>(inline_) / static_cast<double>(ended_);
  }

 private:
  bool Continue(Slot* slot) {
    MustBeAnswered(*slot);
    ++ended_;
    if (period_.Measures(*slot)) times_ns_.push_back(slot->ended_ns - slot->submitted_ns);
    if (slot->ended_ns >= period_.end_ns) return false;
    Submit(slot);
    return true;
  }

  const Period period_;
  const std::thread::id submitter_ = std::this_thread::get_id();
  OverQueue& queue_;
  std::vector<Slot*> here_;
  std::vector<uint64_t> times_ns_;
  uint64_t ended_ = 0;
  uint64_t inline_ = 0;
};

// Callbacks submit. Each slot has its own list of times: callbacks may run on several threads.
class FromCallbacks : public SlotOwner {
 public:
  FromCallbacks(double seconds, size_t slots)
      : period_(seconds), all_over_(static_cast<ptrdiff_t>(slots)), times_ns_(slots) {
    for (auto& times : times_ns_) times.reserve(kExpectedSamples / slots);
  }

  void Over(Slot* slot) override {
    MustBeAnswered(*slot);
    slot->ended_ns = NowNs();
    if (period_.Measures(*slot)) {
      times_ns_[slot->index].push_back(slot->ended_ns - slot->submitted_ns);
    }
    slot->ended_ns < period_.end_ns ? Submit(slot) : all_over_.count_down();
  }

  void Run(const std::vector<std::unique_ptr<Slot>>& slots) {
    for (const auto& slot : slots) Submit(slot.get());
    all_over_.wait();
  }

  std::vector<uint64_t> times_ns() const {
    std::vector<uint64_t> all;
    for (const auto& times : times_ns_) all.insert(all.end(), times.begin(), times.end());
    return all;
  }

 private:
  const Period period_;
  std::latch all_over_;
  std::vector<std::vector<uint64_t>> times_ns_;
};

std::vector<std::unique_ptr<Slot>> MakeSlots(const ModelClient& client, size_t count,
                                             SlotOwner* owner) {
  std::vector<std::unique_ptr<Slot>> slots;
  for (size_t i = 0; i < count; ++i) {
    slots.push_back(client.MakeSlot(owner));
    slots.back()->index = i;
  }
  return slots;
}

}  // namespace

ClosedLoopResult RunClosedLoop(const ModelClient& client, OverQueue* queue, uint64_t outstanding,
                               double seconds, Resubmit resubmit) {
  ClosedLoopResult result;
  std::vector<uint64_t> times_ns;
  if (resubmit == Resubmit::kThread) {
    FromThread loop(seconds, queue);
    loop.Run(MakeSlots(client, outstanding, &loop));
    times_ns = std::move(loop.times_ns());
    result.inline_share = loop.inline_share();
  } else {
    FromCallbacks loop(seconds, outstanding);
    loop.Run(MakeSlots(client, outstanding, &loop));
    times_ns = loop.times_ns();
  }
  result.latency = Summarise(times_ns);
  result.requests_per_second = static_cast<double>(result.latency.count) / seconds;
  return result;
}

}  // namespace trident::bench
