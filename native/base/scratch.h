#pragma once

#include <cstddef>
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
    if (!Spare().empty()) {
      vector_ = std::move(Spare().back());
      Spare().pop_back();
    }
    vector_.resize(size);
  }
  ~Scratch() {
    vector_.clear();
    Spare().push_back(std::move(vector_));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::vector<T>& operator*() { return vector_; }
  std::vector<T>* operator->() { return &vector_; }
  T& operator[](size_t index) { return vector_[index]; }

 private:
  static std::vector<std::vector<T>>& Spare() {
    thread_local std::vector<std::vector<T>> spare;
    return spare;
  }

  std::vector<T> vector_;
};

}  // namespace trident
