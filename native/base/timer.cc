#include "base/timer.h"

#include <system_error>

namespace trident {

TimerThread::~TimerThread() {
  {
    MutexLock lock(shared_->mutex);
    shared_->ended = true;
  }
  shared_->changed.NotifyAll();
  if (!thread_.joinable()) return;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void TimerThread::RingBy(Alarm* alarm, uint64_t when_ns) {
  if (when_ns == kNever) return;
  bool first = false;
  {
    MutexLock lock(shared_->mutex);
    const auto found = shared_->set.find(alarm);
    if (found != shared_->set.end()) {
      if (found->second->first <= when_ns) return;
      shared_->by_time.erase(found->second);
    }
    const auto at = shared_->by_time.emplace(when_ns, alarm);
    shared_->set[alarm] = at;
    first = at == shared_->by_time.begin();
    if (!thread_.joinable()) {
      try {
        thread_ = std::thread([shared = shared_] { Run(shared); });
      } catch (const std::system_error&) {
        // No thread to be had now: the next alarm tries again.
      }
    }
  }
  if (first) shared_->changed.NotifyAll();
}

void TimerThread::Forget(Alarm* alarm) {
  MutexLock lock(shared_->mutex);
  for (;;) {
    const auto found = shared_->set.find(alarm);
    if (found != shared_->set.end()) {
      shared_->by_time.erase(found->second);
      shared_->set.erase(found);
    }
    if (shared_->ringing != alarm || thread_.get_id() == std::this_thread::get_id()) return;
    shared_->changed.Wait(shared_->mutex);  // and then again: it may have been set meanwhile
  }
}

void TimerThread::Run(const std::shared_ptr<Shared>& shared) {
  MutexLock lock(shared->mutex);
  while (!shared->ended) {
    const uint64_t next = shared->by_time.empty() ? kNever : shared->by_time.begin()->first;
    if (next == kNever || shared->clock.Now() < next) {
      shared->clock.WaitUntil(shared->changed, shared->mutex, next);
      continue;
    }
    Alarm* const alarm = shared->by_time.begin()->second;
    shared->set.erase(alarm);
    shared->by_time.erase(shared->by_time.begin());
    shared->ringing = alarm;
    shared->mutex.Unlock();
    alarm->Ring();
    shared->mutex.Lock();
    shared->ringing = nullptr;
    shared->changed.NotifyAll();
  }
}

}  // namespace trident
