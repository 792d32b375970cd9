#ifndef TEST_CUDA_USE_FAKE_CUDA_H_
#define TEST_CUDA_USE_FAKE_CUDA_H_

#include <stdlib.h>

#include <atomic>
#include <string>

#include "fake_cuda.h"

namespace trident {

// The driver of this process and of its children, when called before the driver is first used.
inline void UseFakeCuda(int devices = 2) {
  setenv("TRIDENT_CUDA_LIBRARY", FAKE_CUDA_LIBRARY, 1);
  setenv("FAKE_CUDA_DEVICES", std::to_string(devices).c_str(), 1);
}

// A row of the driver's table, read and written while its threads do so as well.
struct FakeRow {
  explicit FakeRow(const std::string& name) : FakeRow(*FakeCudaFind(name.c_str())) {}
  explicit FakeRow(FakeCudaRow& row)
      : calls(row.calls), fail_after(row.fail_after), result(row.result), bytes(row.bytes) {}

  std::atomic_ref<uint64_t> calls;
  std::atomic_ref<uint32_t> fail_after;
  std::atomic_ref<int32_t> result;
  std::atomic_ref<uint64_t> bytes;
};

}  // namespace trident

#endif
