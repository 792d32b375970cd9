#pragma once

#include <cstdint>
#include <memory>
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

}  // namespace trident
