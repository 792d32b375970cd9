#include "node/response_stream.h"

#include <algorithm>
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

thread_local StreamSender* StreamSender::current_ = nullptr;

bool ResponseStream::LetOverfill(StreamSender* sender) {
  const uint64_t now_ns = NowNs();
  const bool is_full = waiting_.size() >= limit_;
  if (is_full && now_ns - full_ns_ >= stall_ns_) return false;
  if (waiting_.size() + 1 < limit_) return true;
  if (!is_full) full_ns_ = now_ns;
  sender->wait_ns_ = stall_ns_;
  const bool noticed =
      std::any_of(notices_.begin(), notices_.end(),
                  [sender](const Notice& notice) { return notice.drained == sender->notice_; });
  if (!noticed) notices_.push_back({sender->home_, sender->notice_});
  return true;
}

ResponseStream::Outcome ResponseStream::Put(ResponsePtr response, bool may_wait) {
  bool notify = false;
  {
    MutexLock lock(mutex_);
    StreamSender* const sender = StreamSender::current();
    const auto has_room = [&]() REQUIRES(mutex_) {
      if (sender != nullptr) return LetOverfill(sender);
      return std::this_thread::get_id() == js_thread_ || WaitForRoom();
    };
    if (may_wait && !closed_ && !has_room() && !closed_) {
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
  std::vector<Notice> notices;
  ResponsePtr response;
  {
    MutexLock lock(mutex_);
    notify_ = waiting_.empty();
    if (notify_) return nullptr;
    if (waiting_.size() >= limit_) full_ns_ = NowNs();
    response = std::move(waiting_.front());
    waiting_.pop_front();
    ++taken_;
    if (waiting_.size() < limit_) notices.swap(notices_);
    room_.NotifyOne();
  }
  for (const Notice& notice : notices) notice.home->Post(notice.drained);
  return response;
}

void ResponseStream::Abandon() {
  std::deque<ResponsePtr> dropped;  // freed without the lock
  std::vector<Notice> notices;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    dropped.swap(waiting_);
    notices.swap(notices_);
    room_.NotifyAll();
  }
  for (const Notice& notice : notices) notice.home->Post(notice.drained);
}

}  // namespace trident
