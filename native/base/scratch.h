#pragma once

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace trident {

// A vector for the length of a call, whose memory its thread keeps for the next one: the arrays of
// the request path. A call inside the call, as of a client who submits again from a callback, gets
// another one. One thread only.
template <typename T>
class Scratch {
 public:
  explicit Scratch(size_t size = 0) {
    if (!spare_.empty()) {
      vector_ = std::move(spare_.back());
      spare_.pop_back();
    }
    vector_.resize(size);
  }
  ~Scratch() {
    vector_.clear();
    if (vector_.capacity() > kMostKept) return;
    try {
      spare_.push_back(std::move(vector_));
    } catch (const std::bad_alloc&) {  // then the next call allocates
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::vector<T>& operator*() { return vector_; }
  std::vector<T>* operator->() { return &vector_; }
  T& operator[](size_t index) { return vector_[index]; }

 private:
  // An exceptionally large call gives its memory back.
  static constexpr size_t kMostKept = 4096;

  static std::vector<std::vector<T>>& Spare() {
    thread_local std::vector<std::vector<T>> spare;
    return spare;
  }

  std::vector<std::vector<T>>& spare_ = Spare();
  std::vector<T> vector_;
};

}  // namespace trident
