#include "closed_loop.h"

#include <thread>

namespace trident::bench {
namespace {

constexpr size_t kExpectedSamples = 1 << 18;

void Submit(Slot* slot) {
  slot->submitted_ns = NowNs();
  slot->Submit();
}

// One thread submits. What it executed itself is over when it looks; the rest comes by the queue.
class ClosedLoop : public SlotOwner {
 public:
  ClosedLoop(double seconds, OverQueue* queue)
      : seconds_(seconds),
        warm_ns_(NowNs() + static_cast<uint64_t>(seconds * 0.2e9)),
        end_ns_(warm_ns_ + static_cast<uint64_t>(seconds * 1e9)),
        queue_(*queue) {
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

  ClosedLoopResult Result() {
    return {Summarise(times_ns_), static_cast<double>(ended_in_time_) / seconds_,
            static_cast<double>(inline_) / static_cast<double>(ended_)};
  }

 private:
  bool Continue(Slot* slot) {
    ++ended_;
    if (slot->submitted_ns >= warm_ns_) times_ns_.push_back(slot->ended_ns - slot->submitted_ns);
    if (slot->ended_ns >= end_ns_) return false;
    // Also one that began before: as many are cut off at the end.
    if (slot->ended_ns >= warm_ns_) ++ended_in_time_;
    Submit(slot);
    return true;
  }

  const double seconds_;
  const uint64_t warm_ns_;
  const uint64_t end_ns_;
  const std::thread::id submitter_ = std::this_thread::get_id();
  OverQueue& queue_;
  std::vector<Slot*> here_;
  std::vector<uint64_t> times_ns_;
  uint64_t ended_ = 0;
  uint64_t ended_in_time_ = 0;
  uint64_t inline_ = 0;
};

std::vector<std::unique_ptr<Slot>> MakeSlots(const ModelClient& client, size_t count,
                                             SlotOwner* owner) {
  std::vector<std::unique_ptr<Slot>> slots;
  while (slots.size() < count) slots.push_back(client.MakeSlot(owner));
  return slots;
}

}  // namespace

ClosedLoopResult RunClosedLoop(const ModelClient& client, OverQueue* queue, uint64_t outstanding,
                               double seconds) {
  ClosedLoop loop(seconds, queue);
  loop.Run(MakeSlots(client, outstanding, &loop));
  return loop.Result();
}

}  // namespace trident::bench
