#include <atomic>
#include <chrono>
#include <map>

#include "entry_points.h"
#include "fake_cuda.h"
#include "streams.h"

namespace trident::cuda::fake {
namespace {

using Clock = std::chrono::steady_clock;

// A moment in a stream's work. Thread-safe.
struct FakeEvent {
  FakeDevice* device;
  bool timed;
  Mutex mutex;
  std::shared_ptr<FakeStream> stream GUARDED_BY(mutex);  // null: never recorded
  uint64_t number GUARDED_BY(mutex) = 0;
  std::shared_ptr<std::atomic<Clock::rep>> time GUARDED_BY(mutex);  // when it came to pass
};

struct Moment {
  std::shared_ptr<FakeStream> stream;
  uint64_t number;
  std::shared_ptr<std::atomic<Clock::rep>> time;

  explicit Moment(FakeEvent& event) {
    MutexLock lock(event.mutex);
    stream = event.stream;
    number = event.number;
    time = event.time;
  }
  bool recorded() const { return stream != nullptr; }
  bool past() const { return !recorded() || stream->Done(number); }
  void Wait() const {
    if (recorded()) stream->WaitFor(number);
  }
};

struct Events {
  Mutex mutex;
  std::map<CuEvent, std::shared_ptr<FakeEvent>> open GUARDED_BY(mutex);
};

Events& All() {
  static Events* const events = new Events;
  return *events;
}

std::shared_ptr<FakeEvent> FindEvent(CuEvent handle) {
  MutexLock lock(All().mutex);
  const auto found = All().open.find(handle);
  return found == All().open.end() ? nullptr : found->second;
}

}  // namespace

extern "C" {

CuResult cuCtxSynchronize() {
  const Call call(Row::cuCtxSynchronize);
  if (call.failed()) return call.result();
  FakeStream::WaitForAll(&call.device());
  return call.device().Lost();
}

CuResult cuStreamCreate(CuStream* stream, unsigned flags) {
  const Call call(Row::cuStreamCreate);
  if (call.failed()) return call.result();
  if (flags > kStreamNonBlocking) return kInvalidValue;
  *stream = FakeStream::Start(&call.device())->handle();
  return kSuccess;
}

CuResult cuStreamDestroy_v2(CuStream stream) {
  const Call call(Row::cuStreamDestroy_v2);
  if (call.refused()) return call.result();
  const auto found = stream == nullptr ? nullptr : FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  found->Close();
  return call.result();
}

CuResult cuStreamSynchronize(CuStream stream) {
  const Call call(Row::cuStreamSynchronize);
  if (call.failed()) return call.result();
  const auto found = FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  found->WaitFor(found->asked());
  return found->device().Lost();
}

CuResult cuStreamQuery(CuStream stream) {
  const Call call(Row::cuStreamQuery);
  if (call.failed()) return call.result();
  const auto found = FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  return found->Done(found->asked()) ? found->device().Lost() : kNotReady;
}

CuResult cuStreamWaitEvent(CuStream stream, CuEvent event, unsigned flags) {
  const Call call(Row::cuStreamWaitEvent);
  if (call.failed()) return call.result();
  const auto found = FakeStream::Find(stream);
  const auto awaited = FindEvent(event);
  if (found == nullptr || awaited == nullptr) return kInvalidHandle;
  if (flags != 0) return kInvalidValue;
  found->Ask([moment = Moment(*awaited)] { moment.Wait(); });
  return kSuccess;
}

CuResult cuEventCreate(CuEvent* event, unsigned flags) {
  const Call call(Row::cuEventCreate);
  if (call.failed()) return call.result();
  const auto made = std::make_shared<FakeEvent>();
  made->device = &call.device();
  made->timed = (flags & kEventDisableTiming) == 0;
  *event = reinterpret_cast<CuEvent>(made.get());
  MutexLock lock(All().mutex);
  All().open[*event] = made;
  return kSuccess;
}

CuResult cuEventDestroy_v2(CuEvent event) {
  const Call call(Row::cuEventDestroy_v2);
  if (call.refused()) return call.result();
  MutexLock lock(All().mutex);
  return All().open.erase(event) == 0 ? kInvalidHandle : call.result();
}

CuResult cuEventRecord(CuEvent event, CuStream stream) {
  const Call call(Row::cuEventRecord);
  if (call.failed()) return call.result();
  const auto found = FindOwnStream(stream);
  const auto recorded = FindEvent(event);
  if (found == nullptr || recorded == nullptr || recorded->device != &found->device()) {
    return kInvalidHandle;
  }
  const auto time = std::make_shared<std::atomic<Clock::rep>>(0);
  const uint64_t number =
      found->Ask([time] { time->store(Clock::now().time_since_epoch().count()); });
  MutexLock lock(recorded->mutex);
  recorded->stream = found;
  recorded->number = number;
  recorded->time = time;
  return kSuccess;
}

CuResult cuEventQuery(CuEvent event) {
  const Call call(Row::cuEventQuery);
  if (call.failed()) return call.result();
  const auto found = FindEvent(event);
  if (found == nullptr) return kInvalidHandle;
  return Moment(*found).past() ? found->device->Lost() : kNotReady;
}

CuResult cuEventSynchronize(CuEvent event) {
  const Call call(Row::cuEventSynchronize);
  if (call.failed()) return call.result();
  const auto found = FindEvent(event);
  if (found == nullptr) return kInvalidHandle;
  Moment(*found).Wait();
  return found->device->Lost();
}

CuResult cuEventElapsedTime(float* milliseconds, CuEvent start, CuEvent end) {
  const Call call(Row::cuEventElapsedTime);
  if (call.failed()) return call.result();
  const auto first = FindEvent(start);
  const auto last = FindEvent(end);
  if (first == nullptr || last == nullptr) return kInvalidHandle;
  const Moment from(*first);
  const Moment to(*last);
  if (!first->timed || !last->timed || !from.recorded() || !to.recorded()) return kInvalidHandle;
  if (!from.past() || !to.past()) return kNotReady;
  const Clock::duration between(to.time->load() - from.time->load());
  *milliseconds = std::chrono::duration<float, std::milli>(between).count();
  return kSuccess;
}

}  // extern "C"

}  // namespace trident::cuda::fake

int FakeCudaEnqueue(void* stream, void (*work)(void* data), void* data) {
  using namespace trident::cuda;
  fake::FakeDevice* const device = fake::CurrentDevice();
  if (device == nullptr) return kInvalidContext;
  if (const CuResult lost = device->Lost()) return lost;
  const auto found = fake::FindOwnStream(static_cast<CuStream>(stream));
  if (found == nullptr) return kInvalidHandle;
  found->Ask([work, data] { work(data); });
  return kSuccess;
}
