#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/shared_count.h"

namespace trident {

// Values by key, at most so many bytes of them: what was used least recently goes first.
// Externally synchronised by its owner; its counts may be read at any time.
template <typename Key, typename Value, typename Hash = std::hash<Key>>
class LruStore {
 public:
  struct Entry {
    Key key;
    uint64_t byte_size;
    Value value;
  };
  using Entries = std::list<Entry>;

  explicit LruStore(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // Null when there is none; it is now the last used.
  const Value* Find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  // Puts in the one entry of `added`, which must fit the capacity, and returns what it takes the
  // place of; false, leaving it, when its key is known. Lists, so that their owner makes and frees
  // entries where it holds no lock.
  bool Insert(Entries& added, Entries& evicted) {
    const auto entry = added.begin();
    if (!by_key_.emplace(entry->key, entry).second) return false;
    while (used_bytes_ + entry->byte_size > capacity_bytes_) {
      const auto oldest = std::prev(entries_.end());
      used_bytes_ -= oldest->byte_size;
      ++evictions_;
      by_key_.erase(oldest->key);
      evicted.splice(evicted.begin(), entries_, oldest);
    }
    used_bytes_ += entry->byte_size;
    ++inserted_;
    entries_.splice(entries_.begin(), added);
    return true;
  }

  uint64_t capacity_bytes() const { return capacity_bytes_; }
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t evictions() const { return evictions_; }
  uint64_t count() const {
    const uint64_t evicted = evictions_;  // first: never more than were inserted by then
    return inserted_ - evicted;
  }

 private:
  const uint64_t capacity_bytes_;
  Entries entries_;  // the last used first
  std::unordered_map<Key, typename Entries::iterator, Hash> by_key_;
  SharedCount used_bytes_, evictions_, inserted_;
};

}  // namespace trident
