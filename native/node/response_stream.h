#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "node/function_home.h"
#include "triton/core/tritonserver.h"

namespace trident {

class CompletionQueue;

struct ResponseDeleter {
  void operator()(TRITONSERVER_InferenceResponse* response) const;
};
using ResponsePtr = std::unique_ptr<TRITONSERVER_InferenceResponse, ResponseDeleter>;

// Says of the calling JS thread, for as long as it lasts, that a function sends a response on it:
// it does not wait for room, but is told how long it has to, and when it need not any more.
class StreamSender {
 public:
  StreamSender(std::shared_ptr<FunctionHome> home, int64_t execution, uint32_t request)
      : home_(std::move(home)), notice_{execution, request}, outer_(current_) {
    current_ = this;
  }
  ~StreamSender() { current_ = outer_; }
  StreamSender(const StreamSender&) = delete;
  StreamSender& operator=(const StreamSender&) = delete;

  static StreamSender* current() { return current_; }
  // 0: there is room.
  uint64_t wait_ns() const { return wait_ns_; }

 private:
  friend class ResponseStream;
  static thread_local StreamSender* current_;

  const std::shared_ptr<FunctionHome> home_;
  const RequestDrained notice_;
  StreamSender* const outer_;
  uint64_t wait_ns_ = 0;
};

// The responses of one request that may have many, on their way to JS. A sender waits while
// `limit` of them are not taken: that bounds their memory and slows the backend to the pace of its
// consumer. It does not wait for ever: a consumer that takes nothing for `stall_ns` loses the
// stream. The JS thread never waits, since it is the consumer, and functions on others have
// StreamSender. Thread-safe.
class ResponseStream {
 public:
  enum class Outcome { kDone, kStalled };

  // On the JS thread. `slot` is what the queue is told when a response arrives that Take missed.
  ResponseStream(CompletionQueue* queue, int32_t slot, uint64_t limit, uint64_t stall_ns)
      : queue_(queue), slot_(slot), limit_(limit), stall_ns_(stall_ns) {}
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  // Drops the response once nobody takes any more. kStalled, once: this one was waited for in
  // vain; those before it can still be taken.
  Outcome Put(ResponsePtr response, bool may_wait);

  // JS thread only. Null when there is none now; the queue then says when there is.
  ResponsePtr Take();

  uint64_t limit() const { return limit_; }
  uint64_t stall_ns() const { return stall_ns_; }

  // Nobody takes any more: senders go on, responses go.
  void Abandon();

 private:
  struct Notice {
    std::shared_ptr<FunctionHome> home;
    RequestDrained drained;
  };

  bool WaitForRoom() REQUIRES(mutex_);
  // False when the consumer has taken nothing for too long.
  bool LetOverfill(StreamSender* sender) REQUIRES(mutex_);

  CompletionQueue* const queue_;
  const int32_t slot_;
  const uint64_t limit_;
  const uint64_t stall_ns_;
  const std::thread::id js_thread_ = std::this_thread::get_id();

  Mutex mutex_;
  CondVar room_;
  std::deque<ResponsePtr> waiting_ GUARDED_BY(mutex_);
  uint64_t taken_ GUARDED_BY(mutex_) = 0;
  uint64_t full_ns_ GUARDED_BY(mutex_) = 0;         // since when nothing was taken of a full stream
  std::vector<Notice> notices_ GUARDED_BY(mutex_);  // for when there is room
  bool notify_ GUARDED_BY(mutex_) = false;          // Take found nothing
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
