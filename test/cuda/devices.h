#ifndef TEST_CUDA_DEVICES_H_
#define TEST_CUDA_DEVICES_H_

#include <atomic>
#include <cstdint>
#include <set>
#include <string>

#include "base/mutex.h"
#include "table.h"

namespace trident::cuda::fake {

// A GPU and its primary context. Lives as long as the process. Thread-safe.
class FakeDevice {
 public:
  FakeDevice(int ordinal, int major, int minor, uint64_t memory_bytes)
      : ordinal_(ordinal), major_(major), minor_(minor), memory_bytes_(memory_bytes) {}

  int ordinal() const { return ordinal_; }
  int major() const { return major_; }
  int minor() const { return minor_; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t free_bytes() const { return memory_bytes_ - used_.load(); }
  CuContext context() { return reinterpret_cast<CuContext>(this); }

  // False when there is not that much.
  bool Take(uint64_t bytes);
  void GiveBack(uint64_t bytes) { used_ -= bytes; }

  // kSuccess, or what every call for this device answers since it was lost.
  CuResult Lost();
  void Lose(CuResult result);

  void Retain() { ++retained_; }
  // False when nobody retains it.
  bool Release();
  bool alive() const { return retained_.load() > 0; }

  // False when it was so already.
  bool EnablePeer(int ordinal);

 private:
  const int ordinal_;
  const int major_;
  const int minor_;
  const uint64_t memory_bytes_;
  std::atomic<uint64_t> used_{0};
  std::atomic<CuResult> lost_{kSuccess};
  std::atomic<int> retained_{0};
  Mutex mutex_;
  std::set<int> peers_ GUARDED_BY(mutex_);
};

int DeviceCount();
bool PeersReachEachOther();
// Null when there is no such device, or the context is none.
FakeDevice* DeviceAt(int ordinal);
FakeDevice* DeviceOf(CuContext context);

// One call of the driver: counted when it begins, with what it must answer before it looks at its
// arguments.
class Call {
 public:
  // kNoCapture: a context, and that no graph is being captured unless the thread says that it may.
  enum Needs { kDriver, kContext, kNoCapture };

  explicit Call(Row function, Needs needs = kContext);

  CuResult result() const { return result_; }
  bool failed() const { return result_ != kSuccess; }
  // As failed(), for calls that let go of something. They do so on a lost device too, so that tests
  // can tell what leaks: there, result() is their answer in the end.
  bool refused() const { return failed() && !lost_; }
  // The calling thread's; only of calls that need a context and have not failed or are not refused.
  FakeDevice& device() const { return *device_; }

 private:
  CuResult Check(Row function, Needs needs);

  FakeDevice* device_ = nullptr;
  bool lost_ = false;
  CuResult result_;
};

// The calling thread's device; null when it has none.
FakeDevice* CurrentDevice();

}  // namespace trident::cuda::fake

#endif
