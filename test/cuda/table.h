#ifndef TEST_CUDA_TABLE_H_
#define TEST_CUDA_TABLE_H_

#include <cstdint>

#include "cuda/driver_api.h"
#include "fake_cuda.h"

namespace trident::cuda::fake {

// The driver's functions that Trident itself does not call: backends with kernels do.
#define FAKE_CUDA_KERNEL_ROWS(F)    \
  F(cuDevicePrimaryCtxRelease_v2, ) \
  F(cuModuleLoadData, )             \
  F(cuModuleUnload, )               \
  F(cuModuleGetFunction, )          \
  F(cuLaunchKernel, )

// What has a row but is no function of the driver.
#define FAKE_CUDA_SPECIAL_ROWS(F) \
  F(violations, )                 \
  F(hold, )                       \
  F(lose, )                       \
  F(host, )                       \
  F(device, )                     \
  F(opened, )                     \
  F(contexts, )                   \
  F(lead, )                       \
  F(slow, )                       \
  F(modules, )                    \
  F(capture, )

// The rows of the table, in order.
enum class Row {
#define FAKE_CUDA_ROW(name, parameters) name,
  TRIDENT_CUDA_FUNCTIONS(FAKE_CUDA_ROW) FAKE_CUDA_KERNEL_ROWS(FAKE_CUDA_ROW)
      FAKE_CUDA_SPECIAL_ROWS(FAKE_CUDA_ROW)
#undef FAKE_CUDA_ROW
          kCount
};
static_assert(static_cast<int>(Row::kCount) <= FAKE_CUDA_ROWS);
static_assert(sizeof(FakeCudaRow) == FAKE_CUDA_ROW_BYTES);

// Changes what a row has counted, by negative numbers too.
void Count(Row row, int64_t calls, int64_t bytes);

// What a test has written to a row.
CuResult ResultOf(Row row);
uint64_t BytesOf(Row row);

// kSuccess, or what this call has to answer instead of doing its work.
CuResult Fault(Row row);

}  // namespace trident::cuda::fake

#endif
