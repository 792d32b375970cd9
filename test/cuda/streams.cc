#include "streams.h"

#include <unistd.h>

#include <map>
#include <thread>
#include <vector>

namespace trident::cuda::fake {
namespace {

// Never destroyed: threads of streams outlive main().
struct Streams {
  Mutex mutex;
  std::map<CuStream, std::shared_ptr<FakeStream>> open GUARDED_BY(mutex);
  Mutex null_mutex;  // taken before `mutex`
  std::map<FakeDevice*, std::shared_ptr<FakeStream>> null_streams GUARDED_BY(null_mutex);
};

Streams& All() {
  static Streams* const streams = new Streams;
  return *streams;
}

}  // namespace

std::shared_ptr<FakeStream> FakeStream::Start(FakeDevice* device) {
  std::shared_ptr<FakeStream> stream(new FakeStream(device));
  {
    MutexLock lock(All().mutex);
    All().open[stream->handle()] = stream;
  }
  std::thread([stream] { stream->Run(); }).detach();
  return stream;
}

std::shared_ptr<FakeStream> FakeStream::Find(CuStream handle) {
  Streams& all = All();
  if (handle != nullptr) {
    MutexLock lock(all.mutex);
    const auto found = all.open.find(handle);
    return found == all.open.end() ? nullptr : found->second;
  }
  FakeDevice* const device = CurrentDevice();
  MutexLock lock(all.null_mutex);
  std::shared_ptr<FakeStream>& null_stream = all.null_streams[device];
  if (null_stream == nullptr) null_stream = Start(device);
  return null_stream;
}

uint64_t FakeStream::Ask(Work work) {
  MutexLock lock(mutex_);
  work_.push_back(std::move(work));
  asked_something_.NotifyOne();
  return ++asked_;
}

void FakeStream::Close() {
  {
    MutexLock lock(All().mutex);
    All().open.erase(handle());
  }
  MutexLock lock(mutex_);
  closed_ = true;
  asked_something_.NotifyOne();
}

uint64_t FakeStream::asked() {
  MutexLock lock(mutex_);
  return asked_;
}

bool FakeStream::Done(uint64_t number) {
  MutexLock lock(mutex_);
  return done_ >= number;
}

void FakeStream::WaitFor(uint64_t number) {
  MutexLock lock(mutex_);
  while (done_ < number) did_something_.Wait(mutex_);
}

void FakeStream::StandWhileHeld() {
  // Written by any process, so there is nothing to be woken by.
  while (ResultOf(Row::hold) != kSuccess && device_->Lost() == kSuccess) usleep(200);
}

void FakeStream::Run() {
  for (;;) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (work_.empty() && !closed_) asked_something_.Wait(mutex_);
      if (work_.empty()) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    StandWhileHeld();
    if (device_->Lost() == kSuccess) {
      if (const CuResult microseconds = ResultOf(Row::slow)) usleep(microseconds);
      work();
    }
    work = nullptr;  // with what it keeps: who waits for it may look at that
    MutexLock lock(mutex_);
    ++done_;
    did_something_.NotifyAll();
  }
}

std::shared_ptr<FakeStream> FindOwnStream(CuStream handle) {
  std::shared_ptr<FakeStream> stream = FakeStream::Find(handle);
  if (stream == nullptr || &stream->device() == CurrentDevice()) return stream;
  Count(Row::violations, 1, 0);
  return nullptr;
}

}  // namespace trident::cuda::fake
