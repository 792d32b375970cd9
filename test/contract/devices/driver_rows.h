#pragma once

#include <string>

#include "fake_cuda.h"

// The table of the fake driver, to read counts in and to make calls fail.
namespace trident::contract {

inline FakeCudaRow& Row(const std::string& name) { return *FakeCudaFind(name.c_str()); }
inline uint64_t CallsOf(const std::string& name) {
  return __atomic_load_n(&Row(name).calls, __ATOMIC_SEQ_CST);
}
inline uint64_t BytesIn(const std::string& name) {
  return __atomic_load_n(&Row(name).bytes, __ATOMIC_SEQ_CST);
}

inline constexpr int kNoMemory = 2;  // CUDA_ERROR_OUT_OF_MEMORY

// While it lives, calls of one function of the driver answer `result`.
class Failing {
 public:
  Failing(const std::string& function, int result) : row_(Row(function)) { Set(result); }
  ~Failing() { Set(0); }
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;

 private:
  void Set(int result) { __atomic_store_n(&row_.result, result, __ATOMIC_SEQ_CST); }

  FakeCudaRow& row_;
};

}  // namespace trident::contract
