#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "inference/sequence_state.h"

namespace trident {

struct SequenceSlot;

/* One run of requests under one correlation id.
 *
 *     backlog --gets a slot--> running --closed and nothing left--> gone
 *
 * It is open while its id leads to it: until END, idleness, cancellation or the end of its time in
 * the backlog. */
struct Sequence {
  CorrelationId id;
  bool open = true;
  std::deque<RequestPtr> waiting;
  SequenceSlot* slot = nullptr;  // null: in the backlog
  uint64_t expires_ns = kNever;  // in the backlog
  uint64_t idle_since_ns = 0;
  bool handed_out = false;                   // one of its requests is with the backend
  bool states_ready = false;                 // `states` are what the first waiting request sees
  std::shared_ptr<InputTensor> correlation;  // control tensor, made once
  std::shared_ptr<SequenceStates> states;

  // The table's own: where it stands in its lists.
  std::list<std::unique_ptr<Sequence>>::iterator place;
  std::list<Sequence*>::iterator idle_place;
  bool idle = false;
};

// Room for one sequence at one instance.
struct SequenceSlot {
  size_t instance = 0;
  size_t number = 0;
  Sequence* sequence = nullptr;
  bool ready = false;  // the strategy's: it is in line for a batch
};

// Which sequence is where: ids, slots, backlog, idleness. Bookkeeping only: it knows no lock, clock
// or thread and answers nobody, so every rule is tested by itself. Owns the sequences. Externally
// synchronised by its scheduler.
//
// A sequence waits for a slot until every earlier one of its id is gone, so that requests of one id
// keep their order and never run beside each other.
class SequenceTable {
 public:
  explicit SequenceTable(size_t slots_per_instance) : slots_per_instance_(slots_per_instance) {}

  void AddInstance();
  // No new sequences for it; those it has go on.
  void RemoveInstance(size_t instance);

  // The open sequence of this id, or null.
  Sequence* Find(const CorrelationId& id) const;
  // A new open one, at the end of the backlog; none of this id may be open.
  Sequence* Begin(const CorrelationId& id);
  // Its id leads to it no more.
  void Close(Sequence* sequence);
  // In the backlog: it must have a slot before `when_ns`, or before a time set earlier.
  void ExpireBy(Sequence* sequence, uint64_t when_ns);
  // Takes it out of the table; its slot is free again.
  std::unique_ptr<Sequence> Remove(Sequence* sequence);

  // Gives the lowest free slot to the oldest sequence that may run. Null: no slot or no sequence.
  SequenceSlot* Assign();

  // A running sequence has had nothing to do since `now_ns`, not less than any time given before.
  void MarkIdle(Sequence* sequence, uint64_t now_ns);
  void MarkActive(Sequence* sequence);
  // Longest idle, or null.
  Sequence* LongestIdle() const { return idle_.empty() ? nullptr : idle_.front(); }
  // Next to expire in the backlog, or null.
  Sequence* NextToExpire() const { return expiries_.empty() ? nullptr : expiries_.begin()->second; }

  template <typename Visit>
  void ForEach(const Visit& visit) {
    for (const auto& sequence : running_) visit(sequence.get());
    for (const auto& sequence : backlog_) visit(sequence.get());
  }
  bool backlog_empty() const { return backlog_.empty(); }
  size_t backlog_size() const { return backlog_.size(); }
  size_t running(size_t instance) const { return instances_[instance].running; }
  size_t slots_made(size_t instance) const { return instances_[instance].slots.size(); }
  SequenceSlot& slot(size_t instance, size_t number) const {
    return *instances_[instance].slots[number];
  }

 private:
  struct IdHash {
    size_t operator()(const CorrelationId& id) const {
      return id.is_string ? std::hash<std::string>()(id.text) : std::hash<uint64_t>()(id.number);
    }
  };
  struct Id {
    Sequence* open = nullptr;
    Sequence* running = nullptr;
    size_t count = 0;  // sequences of this id in the table
  };
  struct Instance {
    std::vector<std::unique_ptr<SequenceSlot>> slots;  // made when first needed
    std::set<size_t> free;                             // of those made
    size_t running = 0;
    bool removed = false;
  };
  SequenceSlot* LowestFree();
  void StopExpiry(Sequence* sequence);

  const size_t slots_per_instance_;
  std::unordered_map<CorrelationId, Id, IdHash> ids_;
  std::vector<Instance> instances_;
  std::list<std::unique_ptr<Sequence>> backlog_;  // oldest first
  std::list<std::unique_ptr<Sequence>> running_;
  std::list<Sequence*> idle_;    // longest first
  std::list<Sequence*> active_;  // holds the places of the others, so that moving never allocates
  std::multimap<uint64_t, Sequence*> expiries_;
};

}  // namespace trident
