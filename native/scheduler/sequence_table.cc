#include "scheduler/sequence_table.h"

#include <algorithm>

namespace trident {

void SequenceTable::AddInstance() { instances_.emplace_back(); }

void SequenceTable::RemoveInstance(size_t instance) { instances_[instance].removed = true; }

Sequence* SequenceTable::Find(const CorrelationId& id) const {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : found->second.open;
}

Sequence* SequenceTable::Begin(const CorrelationId& id) {
  backlog_.push_back(std::make_unique<Sequence>());
  Sequence* const sequence = backlog_.back().get();
  sequence->id = id;
  sequence->place = std::prev(backlog_.end());
  sequence->idle_place = active_.insert(active_.end(), sequence);
  Id& known = ids_[id];
  known.open = sequence;
  ++known.count;
  return sequence;
}

void SequenceTable::Close(Sequence* sequence) {
  if (!sequence->open) return;
  sequence->open = false;
  ids_.find(sequence->id)->second.open = nullptr;
}

void SequenceTable::ExpireBy(Sequence* sequence, uint64_t when_ns) {
  if (when_ns >= sequence->expires_ns) return;
  StopExpiry(sequence);
  sequence->expires_ns = when_ns;
  expiries_.emplace(when_ns, sequence);
}

void SequenceTable::StopExpiry(Sequence* sequence) {
  if (sequence->expires_ns == kNever) return;
  const auto [first, last] = expiries_.equal_range(sequence->expires_ns);
  expiries_.erase(std::find_if(first, last, [&](const auto& e) { return e.second == sequence; }));
  sequence->expires_ns = kNever;
}

std::unique_ptr<Sequence> SequenceTable::Remove(Sequence* sequence) {
  Close(sequence);
  StopExpiry(sequence);
  (sequence->idle ? idle_ : active_).erase(sequence->idle_place);
  const auto known = ids_.find(sequence->id);
  if (SequenceSlot* const slot = sequence->slot) {
    known->second.running = nullptr;
    slot->sequence = nullptr;
    Instance& instance = instances_[slot->instance];
    instance.free.insert(slot->number);
    --instance.running;
  }
  if (--known->second.count == 0) ids_.erase(known);
  std::unique_ptr<Sequence> owned = std::move(*sequence->place);
  (owned->slot != nullptr ? running_ : backlog_).erase(owned->place);
  return owned;
}

SequenceSlot* SequenceTable::LowestFree() {
  size_t best = instances_.size();
  size_t best_number = slots_per_instance_;
  for (size_t i = 0; i < instances_.size() && best_number > 0; ++i) {
    const Instance& instance = instances_[i];
    if (instance.removed) continue;
    // Slots are made in order, so a freed one is lower than any not made yet.
    const size_t number = instance.free.empty() ? instance.slots.size() : *instance.free.begin();
    if (number < best_number) {
      best = i;
      best_number = number;
    }
  }
  if (best == instances_.size()) return nullptr;
  Instance& instance = instances_[best];
  if (instance.free.empty()) {
    instance.slots.push_back(std::make_unique<SequenceSlot>(SequenceSlot{best, best_number}));
    instance.free.insert(best_number);
  }
  return instance.slots[best_number].get();
}

SequenceSlot* SequenceTable::Assign() {
  if (backlog_.empty()) return nullptr;
  SequenceSlot* const slot = LowestFree();
  if (slot == nullptr) return nullptr;
  const auto next = std::find_if(backlog_.begin(), backlog_.end(), [&](const auto& sequence) {
    return ids_.find(sequence->id)->second.running == nullptr;
  });
  if (next == backlog_.end()) return nullptr;
  Sequence* const sequence = next->get();
  running_.splice(running_.end(), backlog_, next);
  StopExpiry(sequence);
  ids_.find(sequence->id)->second.running = sequence;
  sequence->slot = slot;
  slot->sequence = sequence;
  Instance& instance = instances_[slot->instance];
  instance.free.erase(slot->number);
  ++instance.running;
  return slot;
}

void SequenceTable::MarkIdle(Sequence* sequence, uint64_t now_ns) {
  idle_.splice(idle_.end(), sequence->idle ? idle_ : active_, sequence->idle_place);
  sequence->idle = true;
  sequence->idle_since_ns = now_ns;
}

void SequenceTable::MarkActive(Sequence* sequence) {
  if (!sequence->idle) return;
  active_.splice(active_.end(), idle_, sequence->idle_place);
  sequence->idle = false;
}

}  // namespace trident
