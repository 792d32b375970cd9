#include "scheduler/sequence_direct.h"

namespace trident {

PullScheduler::Due DirectSequenceScheduler::Look(size_t instance) {
  if (handed_out(instance) > 0) return {};
  size_t ready = 0;
  uint64_t oldest_ns = kNever;
  for (size_t i = 0; i < table_.slots_made(instance); ++i) {
    const InferenceRequest* const head = Head(table_.slot(instance, i));
    if (head == nullptr) continue;
    ++ready;
    if (head->start_ns() < oldest_ns) {
      oldest_ns = head->start_ns();
      oldest_slot_ = i;
    }
  }
  if (ready == 0) return {};
  // After Stop there is little to wait for.
  if (stopped()) return {.now = true};
  const uint64_t now = policy_.max_queue_delay_ns != 0 ? clock_.Now() : 0;
  const DirectDecision decision = DecideDirect(ready, oldest_ns, policy_, now);
  return {.now = decision.run, .look_again_ns = decision.look_again_ns};
}

// The oldest request gives the batch its form, so that none waits for ever because others differ.
Waker* DirectSequenceScheduler::Pop(size_t instance, Batch* batch) {
  SequenceSlot& oldest = table_.slot(instance, oldest_slot_);
  const InferenceRequest& like = *Head(oldest);
  const std::shared_ptr<SequenceStates> states = HeadStates(oldest);
  std::vector<bool> runs(table_.slots_made(instance));
  size_t used = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    SequenceSlot& slot = table_.slot(instance, i);
    runs[i] = Head(slot) != nullptr && CanShare(oldest, slot);
    if (runs[i]) used = i + 1;
  }
  for (size_t i = 0; i < used; ++i) {
    if (runs[i]) {
      HandOut(table_.slot(instance, i), batch);
    } else {
      HandOutNull(instance, like, states.get(), batch);
    }
  }
  return nullptr;
}

}  // namespace trident
