/* ONNX Runtime with a CUDA provider, where there is no GPU: the real library, with the functions
 * replaced that know of CUDA. A session for a GPU computes on the CPU, but
 *
 * - its tensors lie in the memory of the fake driver's devices (fake_cuda.h), or the run fails,
 * - it runs on the stream that its provider options name, in order with the copies put there, and
 *   the run is over when it has been done, as with the real provider,
 * - with CUDA graphs, of which each thread has its own, a run whose tensors lie elsewhere than in
 * the first of its graph fails.
 *
 * FAKE_ONNXRUNTIME_LIBRARY in the environment is the path of the real library. */
#ifndef TEST_ONNXRUNTIME_FAKE_ONNXRUNTIME_H_
#define TEST_ONNXRUNTIME_FAKE_ONNXRUNTIME_H_

#include <cstdint>

#define FAKE_ONNXRUNTIME_API extern "C" __attribute__((visibility("default")))

/* The provider options of the last session for a GPU; null when it has no such option. Valid until
 * the next one. */
FAKE_ONNXRUNTIME_API const char* FakeOnnxRuntimeOption(const char* name);

/* From now on the function (by its name in ort_api.h, one that is replaced) fails with the message,
 * for GPUs only; no longer with null. */
FAKE_ONNXRUNTIME_API void FakeOnnxRuntimeFail(const char* function, const char* message);

/* Sessions for a GPU that are made from now on read and write this tensor on the host; with null,
 * all that are not strings on the device again. */
FAKE_ONNXRUNTIME_API void FakeOnnxRuntimeKeepOnHost(const char* tensor);

/* Runs on GPUs since the beginning: all, those that recorded a graph, those that replayed one. */
struct FakeOnnxRuntimeRuns {
  uint64_t all;
  uint64_t recorded;
  uint64_t replayed;
};
FAKE_ONNXRUNTIME_API FakeOnnxRuntimeRuns FakeOnnxRuntimeCountRuns();

#endif
