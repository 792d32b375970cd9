#ifndef TEST_CUDA_STREAMS_H_
#define TEST_CUDA_STREAMS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/mutex.h"
#include "devices.h"

namespace trident::cuda::fake {

// Work in order, on a thread of its own. Thread-safe.
class FakeStream {
 public:
  using Work = std::function<void()>;

  // In the list of streams until it is closed; the null stream of a device, as long as the process.
  static std::shared_ptr<FakeStream> Start(FakeDevice* device);
  // The open stream with this handle, the current device's for null. Null when there is none.
  static std::shared_ptr<FakeStream> Find(CuStream handle);

  CuStream handle() { return reinterpret_cast<CuStream>(this); }
  FakeDevice& device() { return *device_; }

  // Its number: the work is done when Done(number).
  uint64_t Ask(Work work);
  void Close();
  uint64_t asked();
  bool Done(uint64_t number);
  void WaitFor(uint64_t number);

 private:
  explicit FakeStream(FakeDevice* device) : device_(device) {}
  void Run();
  void StandWhileHeld();

  FakeDevice* const device_;
  Mutex mutex_;
  CondVar asked_something_;
  CondVar did_something_;
  std::deque<Work> work_ GUARDED_BY(mutex_);
  uint64_t asked_ GUARDED_BY(mutex_) = 0;
  uint64_t done_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

// The stream that a call of the current device may give work to; null, and a violation, when it is
// another device's.
std::shared_ptr<FakeStream> FindOwnStream(CuStream handle);

}  // namespace trident::cuda::fake

#endif
