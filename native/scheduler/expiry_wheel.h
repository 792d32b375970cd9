#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "inference/request.h"

namespace trident {

// Waiting requests by deadline: a timing wheel of wheels. Level 0 has a slot per nanosecond, each
// further level slots 64 times as wide; a request lies at the level of the highest base-64 digit in
// which its deadline differs from the wheel's time, and moves down when the time reaches its slot.
// Adding and removing cost the same however many there are, and nothing is rounded. The entries of
// all requests lie together, so that removing one of many touches no other request, which would be
// cold; memory is only allocated when there are more than ever before. Does not own the requests.
// Externally synchronised by its queue.
class ExpiryWheel {
 public:
  ExpiryWheel();
  ~ExpiryWheel();

  // `now_ns` may lag behind; it only matters for an empty wheel.
  void Add(InferenceRequest* request, uint64_t deadline_ns, uint64_t now_ns);
  // Nothing happens when `request` is not here.
  void Remove(InferenceRequest* request);
  // Takes out and returns the request with the earliest deadline of those not after `now_ns`, of
  // equal ones the first to come; null: none.
  InferenceRequest* PopExpired(uint64_t now_ns);

  bool empty() const { return levels_in_use_ == 0; }
  // No deadline is earlier; exact unless very many are close together. kNever when empty.
  uint64_t EarliestAtLeast() const;

 private:
  static constexpr unsigned kDigitBits = 6;
  static constexpr unsigned kSlots = 1u << kDigitBits;
  static constexpr unsigned kLevels = (64 + kDigitBits - 1) / kDigitBits;
  static constexpr size_t kEntriesAtATime = 256;

  struct Slot {
    unsigned level;
    unsigned digit;
    uint64_t start_ns;
  };
  // Oldest first.
  struct List {
    ExpiryEntry* first = nullptr;
    ExpiryEntry* last = nullptr;
  };

  Slot First() const;
  ExpiryEntry* NewEntry();
  void Retire(ExpiryEntry* entry);
  void Link(ExpiryEntry* entry);
  void MarkEmpty(unsigned level, unsigned digit);

  uint64_t time_ns_ = 0;        // not after any deadline, but for requests that came too late
  uint32_t levels_in_use_ = 0;  // a bit per level
  std::array<uint64_t, kLevels> slots_in_use_{};  // a bit per slot
  std::array<std::array<List, kSlots>, kLevels> slots_{};
  std::vector<std::unique_ptr<ExpiryEntry[]>> entries_;
  // Linked by `next`, the longest unused first: requests that come and go in the same order keep
  // their entries in that order, so that in a long queue the next ones are cache lines in a row.
  ExpiryEntry* unused_ = nullptr;
  ExpiryEntry* last_unused_ = nullptr;
};

}  // namespace trident
