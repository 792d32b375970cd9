#include "scheduler/expiry_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/clock.h"

namespace trident {

struct ExpiryEntry {
  InferenceRequest* request;
  uint64_t deadline_ns;
  ExpiryEntry* next;
  ExpiryEntry* previous;
};

ExpiryWheel::ExpiryWheel() = default;
ExpiryWheel::~ExpiryWheel() = default;

ExpiryEntry* ExpiryWheel::NewEntry() {
  if (unused_ == nullptr) {
    entries_.push_back(std::make_unique<ExpiryEntry[]>(kEntriesAtATime));
    for (size_t i = 0; i < kEntriesAtATime; ++i) Retire(&entries_.back()[i]);
  }
  return std::exchange(unused_, unused_->next);
}

void ExpiryWheel::Retire(ExpiryEntry* entry) {
  entry->next = nullptr;
  (unused_ != nullptr ? last_unused_->next : unused_) = entry;
  last_unused_ = entry;
}

void ExpiryWheel::Add(InferenceRequest* request, uint64_t deadline_ns, uint64_t now_ns) {
  if (empty()) time_ns_ = now_ns;
  ExpiryEntry* const entry = NewEntry();
  entry->request = request;
  entry->deadline_ns = deadline_ns;
  request->expiry_entry_ = entry;
  Link(entry);
}

void ExpiryWheel::Link(ExpiryEntry* entry) {
  const uint64_t when = std::max(entry->deadline_ns, time_ns_);
  const uint64_t difference = when ^ time_ns_;
  const unsigned level =
      difference == 0 ? 0 : static_cast<unsigned>(std::bit_width(difference) - 1) / kDigitBits;
  const unsigned digit = (when >> (level * kDigitBits)) % kSlots;
  List& list = slots_[level][digit];
  entry->next = nullptr;
  entry->previous = list.last;
  (list.last != nullptr ? list.last->next : list.first) = entry;
  list.last = entry;
  slots_in_use_[level] |= uint64_t{1} << digit;
  levels_in_use_ |= 1u << level;
  entry->request->expiry_slot_ = static_cast<uint16_t>(level * kSlots + digit);
}

void ExpiryWheel::Remove(InferenceRequest* request) {
  ExpiryEntry* const entry = std::exchange(request->expiry_entry_, nullptr);
  if (entry == nullptr) return;
  const unsigned level = request->expiry_slot_ / kSlots;
  const unsigned digit = request->expiry_slot_ % kSlots;
  List& list = slots_[level][digit];
  (entry->previous != nullptr ? entry->previous->next : list.first) = entry->next;
  (entry->next != nullptr ? entry->next->previous : list.last) = entry->previous;
  if (list.first == nullptr) MarkEmpty(level, digit);
  Retire(entry);
}

void ExpiryWheel::MarkEmpty(unsigned level, unsigned digit) {
  slots_in_use_[level] &= ~(uint64_t{1} << digit);
  if (slots_in_use_[level] == 0) levels_in_use_ &= ~(1u << level);
}

ExpiryWheel::Slot ExpiryWheel::First() const {
  // Requests at a level agree with the time in all higher digits, so lower levels come first, and
  // in a level the lower digit.
  const auto level = static_cast<unsigned>(std::countr_zero(levels_in_use_));
  const auto digit = static_cast<unsigned>(std::countr_zero(slots_in_use_[level]));
  const unsigned shift = level * kDigitBits;
  const uint64_t higher =
      shift + kDigitBits >= 64 ? 0 : time_ns_ >> (shift + kDigitBits) << (shift + kDigitBits);
  return {level, digit, higher | uint64_t{digit} << shift};
}

InferenceRequest* ExpiryWheel::PopExpired(uint64_t now_ns) {
  while (!empty()) {
    const Slot slot = First();
    if (slot.start_ns > now_ns) return nullptr;
    time_ns_ = slot.start_ns;
    ExpiryEntry* entry = slots_[slot.level][slot.digit].first;
    if (slot.level == 0) {
      InferenceRequest* const request = entry->request;
      Remove(request);
      return request;
    }
    // Time has come to this slot: what is in it spreads over the levels below.
    slots_[slot.level][slot.digit] = {};
    MarkEmpty(slot.level, slot.digit);
    while (entry != nullptr) Link(std::exchange(entry, entry->next));
  }
  return nullptr;
}

uint64_t ExpiryWheel::EarliestAtLeast() const {
  if (empty()) return kNever;
  const Slot slot = First();
  // A look at each is worth it while they are few: whoever waits then wakes once, not once a level.
  uint64_t earliest = kNever;
  const ExpiryEntry* entry = slots_[slot.level][slot.digit].first;
  for (int looked_at = 0; looked_at < 32; ++looked_at) {
    earliest = std::min(earliest, entry->deadline_ns);
    entry = entry->next;
    if (entry == nullptr) return earliest;
  }
  return slot.start_ns;
}

}  // namespace trident
