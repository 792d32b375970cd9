/* A CUDA driver library without a GPU: the entry points that Trident calls
 * (native/cuda/driver_api.h), over host memory. Where TRIDENT_CUDA_LIBRARY names it, it is used.
 *
 * - Device addresses can't be read or written: whoever uses one on the host dies at once. Behind
 *   each lies memory that only this library reaches (FakeCudaHostAlias).
 * - Each stream does its work in order on a thread of its own, some time after it was asked. What a
 *   copy uses must last until then: memory freed too early is counted as a violation, and the copy
 *   not made.
 * - Pageable host memory is copied from at once, and copied to before the call returns.
 * - Handles of memory can be opened by other processes of this user while the exporter has the
 *   memory, not by the exporter itself.
 *
 * The environment at the first call: FAKE_CUDA_DEVICES (2), FAKE_CUDA_MEMORY_BYTES per device
 * (1 GiB), FAKE_CUDA_COMPUTE ("9.0", or one per device: "9.0,7.0"), FAKE_CUDA_PEER (1: devices
 * reach each other's memory), FAKE_CUDA_CONTROL (path of the file below; absent: private memory).
 *
 * Counts and faults lie in a table of rows which is mapped from the file FAKE_CUDA_CONTROL, so that
 * a test in another language, or of several processes, reads and writes them there: little-endian,
 * FAKE_CUDA_ROWS rows of FAKE_CUDA_ROW_BYTES. Row i is the i-th function of
 * TRIDENT_CUDA_FUNCTIONS; after them come those for kernels and the special ones of table.h. The
 * first call writes the names.
 */
#ifndef TEST_CUDA_FAKE_CUDA_H_
#define TEST_CUDA_FAKE_CUDA_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_CUDA_API __attribute__((visibility("default")))

#define FAKE_CUDA_ROWS 96
#define FAKE_CUDA_ROW_BYTES 64

struct FakeCudaRow {
  char name[40];
  uint64_t calls;
  uint32_t fail_after; /* with a result: so many calls more succeed before they fail */
  int32_t result;      /* what calls then answer; 0: they do their work. One that makes the device
                          unusable (cuda::IsLost) does so for every later call for it */
  uint64_t bytes;      /* copied, or allocated */
};

/* Special rows, in this order:
 *   "violations"  calls: uses of memory that was freed, or of a stream of another device
 *   "hold"        result not 0: streams stand still until it is 0 again
 *   "lose"        result not 0: each device d with bit d in `bytes` answers it from now on
 *   "host"        calls, bytes: host memory allocated by cuMemHostAlloc and not freed
 *   "device"      calls, bytes: device memory allocated and not freed
 *   "opened"      calls: handles open
 *   "contexts"    calls: primary contexts retained and not released
 *   "lead"        result: so many bytes lie before each new allocation in what other processes open
 *                 of it, as when a driver cuts small allocations out of larger ones
 *   "slow"        result: microseconds that each piece of a stream's work waits before it is done
 *   "modules"     calls: modules of kernels loaded and not unloaded
 *   "capture"     result not 0: as while a graph of a stream is captured, calls that may wait for
 * the device are refused, but on threads whose capture mode is relaxed
 *
 * On a lost device, what lets go of something answers the error too, but lets go of it.
 */

/* The row with this name; null when there is none. In this process, for tests in C++. */
FAKE_CUDA_API struct FakeCudaRow* FakeCudaFind(const char* name);

/* Where the host can reach the byte behind a device address; null when that is no such address. */
FAKE_CUDA_API void* FakeCudaHostAlias(uint64_t device_pointer);

/* Work of other fakes (of ONNX Runtime, of a kernel): `work` runs on the stream's thread, in order.
 * A CUresult. */
FAKE_CUDA_API int FakeCudaEnqueue(void* stream, void (*work)(void* data), void* data);

#ifdef __cplusplus
}
#endif

#endif
