#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace trident {

// Objects that JS names by a small number: JS never holds a pointer, and a number that is stale
// or made up finds nothing. Numbers are reused. JS thread only.
template <typename T>
class Table {
 public:
  int32_t Add(std::unique_ptr<T> object) {
    if (free_.empty()) {
      objects_.push_back(std::move(object));
      return static_cast<int32_t>(objects_.size()) - 1;
    }
    const int32_t id = free_.back();
    free_.pop_back();
    objects_[id] = std::move(object);
    return id;
  }

  T* Find(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < objects_.size() ? objects_[id].get() : nullptr;
  }

  std::unique_ptr<T> Remove(int32_t id) {
    if (Find(id) == nullptr) return nullptr;
    free_.push_back(id);
    return std::move(objects_[id]);
  }

  void Clear() {
    objects_.clear();
    free_.clear();
  }

  const std::vector<std::unique_ptr<T>>& all() const { return objects_; }

 private:
  std::vector<std::unique_ptr<T>> objects_;  // null where free
  std::vector<int32_t> free_;
};

// As Table, but a number is given to one object only: a number kept too long never finds another
// object. For what users close while JS may still name it. JS thread only.
template <typename T>
class OnceTable {
 public:
  int32_t Add(std::unique_ptr<T> object) {
    do {
      last_ = last_ == std::numeric_limits<int32_t>::max() ? 0 : last_ + 1;
    } while (objects_.contains(last_));
    objects_.emplace(last_, std::move(object));
    return last_;
  }

  T* Find(int32_t id) const {
    const auto found = objects_.find(id);
    return found != objects_.end() ? found->second.get() : nullptr;
  }

  void Remove(int32_t id) { objects_.erase(id); }

  void Clear() { objects_.clear(); }

 private:
  std::unordered_map<int32_t, std::unique_ptr<T>> objects_;
  int32_t last_ = 0;
};

}  // namespace trident
