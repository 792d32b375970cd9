#include "scheduler/sequence_oldest.h"

#include <algorithm>

namespace trident {

void OldestSequenceScheduler::SlotReady(SequenceSlot& slot) {
  if (candidates_.size() <= slot.instance) candidates_.resize(slot.instance + 1);
  candidates_[slot.instance].turns.push_back({&slot, clock_.Now()});
  slot.ready = true;
}

void OldestSequenceScheduler::SlotUnready(SequenceSlot& slot) {
  std::erase_if(candidates_[slot.instance].turns,
                [&](const Turn& turn) { return turn.slot == &slot; });
  slot.ready = false;
}

PullScheduler::Due OldestSequenceScheduler::Look(size_t instance) {
  due_count_ = 0;
  if (candidates_.size() <= instance || candidates_[instance].turns.empty()) return {};
  const std::deque<Turn>& turns = candidates_[instance].turns;
  sizes_.clear();
  bool closed = false;
  for (const Turn& turn : turns) {
    if (sizes_.size() > policy_.batching.max_batch_size) break;
    closed = !CanShare(*turns.front().slot, *turn.slot);
    if (closed) break;
    sizes_.push_back(1);
  }
  const uint64_t now = policy_.batching.max_queue_delay_ns != 0 ? clock_.Now() : 0;
  const Decision decision =
      Decide({.batch_sizes = sizes_, .closed = closed, .oldest_ns = turns.front().since_ns},
             policy_.batching, now);
  due_count_ = decision.take;
  // After Stop there is little to wait for.
  if (due_count_ == 0 && stopped()) due_count_ = sizes_.size();
  return {.now = due_count_ > 0, .look_again_ns = decision.look_again_ns};
}

Waker* OldestSequenceScheduler::Pop(size_t instance, Batch* batch) {
  Candidates& self = candidates_[instance];
  if (policy_.preserve_ordering && self.order == nullptr) {
    self.order = std::make_shared<ResponseOrder>();
  }
  for (; due_count_ > 0; --due_count_) {
    SequenceSlot& slot = *self.turns.front().slot;
    self.turns.pop_front();
    slot.ready = false;
    HandOut(slot, batch);
    InferenceRequest* const request = batch->back().get();
    // A rescheduled request has kept the place of its first turn.
    const bool first = !policy_.iterative || (request->flags & kSequenceStart) != 0;
    if (self.order != nullptr && first) self.order->Reserve(request);
  }
  return nullptr;
}

}  // namespace trident
