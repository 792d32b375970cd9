#include "repository/drains.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace trident {
namespace {

bool StartDetached(Drains::Work work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::exception&) {  // no thread, or no memory for one, to be had
    return false;
  }
}

}  // namespace

Drains::Drains(StartThread start) : start_thread_(start ? std::move(start) : StartDetached) {}

void Drains::Start(Work work) {
  {
    MutexLock lock(mutex_);
    ++unfinished_;
    parked_.push_back(std::make_shared<Work>(std::move(work)));
  }
  StartParked();
}

bool Drains::StartParked() {
  for (;;) {
    std::shared_ptr<Work> work;
    {
      MutexLock lock(mutex_);
      if (parked_.empty()) return false;
      work = std::move(parked_.front());
      parked_.pop_front();
    }
    if (start_thread_([this, work] { Run(work); })) continue;
    MutexLock lock(mutex_);
    parked_.push_front(std::move(work));
    return true;
  }
}

void Drains::Run(std::shared_ptr<Work> work) {
  for (;;) {
    (*work)();
    *work = nullptr;  // what it holds goes now
    MutexLock lock(mutex_);
    --unfinished_;
    ended_.NotifyAll();  // with the lock held: after it, the owner may be gone
    if (parked_.empty()) return;
    // This thread is one that could be had.
    work = std::move(parked_.front());
    parked_.pop_front();
  }
}

bool Drains::WaitAll(uint64_t deadline_ns) {
  for (;;) {
    const bool parked = StartParked();
    MutexLock lock(mutex_);
    if (unfinished_ == 0) return true;
    if (NowNs() >= deadline_ns) return false;
    Clock::System().WaitUntil(
        ended_, mutex_, parked ? std::min(deadline_ns, NowNs() + kRetryThreadNs) : deadline_ns);
  }
}

}  // namespace trident
