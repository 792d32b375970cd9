#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/common/batch_copies.h"
#include "backends/common/status.h"
#include "backends/isolation/child.h"
#include "backends/isolation/lane.h"
#include "backends/isolation/model.h"
#include "base/mutex.h"
#include "isolation/backoff.h"
#include "isolation/wire.h"
#include "triton/core/tritonbackend.h"

namespace trident::isolated {

/* An instance that is a process: its executions go there, and its keeper, a thread, does here what
 * the process says of them, and starts another when it has ended.
 *
 *     kServing --(the process ends)--> kStarting --> kServing
 *                                       |    ^
 *                   (not at once) kResting --+
 *
 * Thread-safe; executed by one thread at a time. */
class Instance {
 public:
  static backend::Status Create(Model* model, TRITONBACKEND_ModelInstance* handle,
                                std::unique_ptr<Instance>* instance);
  // There are no requests any more. The process has a second to end in order.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Returns when the backend in the process has; requests may be answered and released later.
  backend::Status Execute(TRITONBACKEND_Request** requests, uint32_t count);
  // OK, or why it can't execute now.
  backend::Status Ready();

 private:
  enum class State { kStarting, kServing, kResting };
  // How often is looked whether somebody has cancelled.
  static constexpr uint64_t kCancellationNs = 5'000'000;
  // Which request of which execution.
  using Key = std::pair<uint64_t, uint32_t>;
  // What a request is still owed.
  struct Open {
    TRITONBACKEND_Request* request = nullptr;          // null: it has been released
    TRITONBACKEND_ResponseFactory* factory = nullptr;  // null: it has its last response
    std::shared_ptr<Lane> lane;                        // null: the keeper sees to it
    std::shared_ptr<backend::BatchCopies> copies;      // of who sees to it
    bool failed = false;                               // its client could not be given an answer
    bool reported = false;                             // the statistics have it
    // When its cancellation is passed on, and how long after that again.
    uint64_t cancel_at_ns = 0;
    uint64_t cancel_again_ns = kCancellationNs;
  };

  Instance(Model* model, TRITONBACKEND_ModelInstance* handle) : model_(model), handle_(handle) {}

  // Executing (instance.cc)
  backend::Status AwaitService(uint64_t deadline_ns, std::shared_ptr<Child>* child);
  backend::Status Begin(const std::shared_ptr<Child>& child,
                        const std::vector<TRITONBACKEND_Request*>& requests,
                        isolation::Execute* message);
  void AwaitEnd(uint64_t execution, uint64_t timeout_ns, const std::shared_ptr<Child>& child);
  void Refuse(TRITONBACKEND_Request* request, const backend::Status& why);
  bool on_keeper() const { return std::this_thread::get_id() == keeper_.get_id(); }
  backend::Status NotServing() const REQUIRES(mutex_);
  // Waits for it.
  backend::Status EndOf(Child* child) const;
  void PassOnCancellations(Child* child) REQUIRES(mutex_);
  // Returns what it was.
  bool SetHandling(bool handling);
  // A clock that stands still while a message is handled, as clients may take their time over a
  // response.
  uint64_t ExecutionNs() const REQUIRES(mutex_);

  // Keeping (keeper.cc); all on the keeper's thread
  void Keep();
  void Ended(Child* child);
  bool Restart();
  void Rest();
  // False: the child has ended.
  bool HandleNext(const std::shared_ptr<Child>& child, uint64_t deadline_ns);
  void Handle(const isolation::Executed& message);
  // Of the executions from the first to the last.
  void FailOpen(uint64_t first, uint64_t last, const backend::Status& why);
  std::shared_ptr<Lane> LaneFor(const isolation::ToParent& message);

  // Answering (answer.cc); on the keeper's thread, or that of the request's lane
  void Answer(const isolation::ToParent& message, Child* child);
  void Answer(const isolation::Response& message, Child* child);
  void Answer(const isolation::Released& message, Child* child);
  void Answer(const isolation::Report& message);
  backend::Status Respond(const isolation::Response& message, isolation::Channel* channel,
                          const Open& open);
  void ReportResponse(const isolation::Report& message, TRITONBACKEND_ResponseFactory* factory);
  void Fail(const Open& open, const backend::Status& why);
  Open Find(Key key);
  // What of the request is taken away, it is no longer owed.
  void Forget(Key key, bool request, bool factory);
  void Mark(Key key, bool Open::*what);

  Model* const model_;
  TRITONBACKEND_ModelInstance* const handle_;
  InstanceDescription description_;
  isolation::Load load_;
  uint64_t restart_limit_ns_ = 0;
  std::unique_ptr<backend::BatchCopies> input_copies_;   // of who executes
  std::shared_ptr<backend::BatchCopies> output_copies_;  // the keeper's
  std::vector<std::shared_ptr<Lane>> lanes_;             // the keeper's

  Mutex mutex_;
  CondVar changed_;
  State state_ GUARDED_BY(mutex_) = State::kServing;
  bool ending_ GUARDED_BY(mutex_) = false;
  bool kept_ GUARDED_BY(mutex_) = false;   // the keeper has ended
  std::string reason_ GUARDED_BY(mutex_);  // why it doesn't serve
  std::shared_ptr<Child> child_ GUARDED_BY(mutex_);
  isolation::Backoff backoff_ GUARDED_BY(mutex_);
  uint64_t executions_ GUARDED_BY(mutex_) = 0;
  uint64_t executing_ GUARDED_BY(mutex_) = 0;          // 0: none
  uint64_t handling_since_ns_ GUARDED_BY(mutex_) = 0;  // 0: the keeper is at no message
  uint64_t handled_ns_ GUARDED_BY(mutex_) = 0;         // before that
  std::map<Key, Open> open_ GUARDED_BY(mutex_);
  std::thread keeper_;
};

}  // namespace trident::isolated
