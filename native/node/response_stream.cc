#include "node/response_stream.h"

#include <utility>

#include "base/clock.h"
#include "node/completion_queue.h"
#include "node/triton_util.h"

namespace trident {

void ResponseDeleter::operator()(TRITONSERVER_InferenceResponse* response) const {
  (void)TakeError(TRITONSERVER_InferenceResponseDelete(response));
}

// False when the consumer took nothing for too long.
bool ResponseStream::WaitForRoom() {
  uint64_t seen = taken_;
  uint64_t deadline_ns = NowNs() + stall_ns_;
  while (!closed_ && waiting_.size() >= limit_) {
    if (room_.WaitUntil(mutex_, deadline_ns)) continue;
    if (taken_ == seen) return false;
    seen = taken_;  // another sender was faster
    deadline_ns = NowNs() + stall_ns_;
  }
  return true;
}

ResponseStream::Outcome ResponseStream::Put(ResponsePtr response, bool may_wait) {
  bool notify = false;
  {
    MutexLock lock(mutex_);
    if (may_wait && std::this_thread::get_id() != js_thread_ && !WaitForRoom() && !closed_) {
      closed_ = true;
      room_.NotifyAll();
      return Outcome::kStalled;
    }
    if (closed_) return Outcome::kDone;
    waiting_.push_back(std::move(response));
    notify = std::exchange(notify_, false);
  }
  if (notify) queue_->PushReady(slot_);
  return Outcome::kDone;
}

ResponsePtr ResponseStream::Take() {
  MutexLock lock(mutex_);
  notify_ = waiting_.empty();
  if (notify_) return nullptr;
  ResponsePtr response = std::move(waiting_.front());
  waiting_.pop_front();
  ++taken_;
  room_.NotifyOne();
  return response;
}

void ResponseStream::Abandon() {
  std::deque<ResponsePtr> dropped;  // freed without the lock
  MutexLock lock(mutex_);
  closed_ = true;
  dropped.swap(waiting_);
  room_.NotifyAll();
}

}  // namespace trident
