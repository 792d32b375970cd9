#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "node/function_instance.h"
#include "node/function_views.h"
#include "node/response_stream.h"

namespace trident {

// A request that a function executes. The core has it back when it has ended and nobody reads its
// inputs any more: views of them, and calls that were given them, hold it, too.
struct FunctionRequest {
  std::shared_ptr<TRITONBACKEND_Request> request;  // null once it has ended
  TRITONBACKEND_Request* handle = nullptr;
  FunctionExecution* execution = nullptr;
  uint32_t index = 0;
  std::vector<FunctionInput> inputs;
  bool answered = false;  // there has been a final response
};

/* One execution of an instance. It is made by the thread that executes, run and ended on the JS
 * thread of its home, and may be abandoned from any: its requests are answered then, and let go of
 * as soon as JS can't reach their memory any more. Thread-safe, but for what is marked. */
class FunctionExecution : public std::enable_shared_from_this<FunctionExecution> {
 public:
  // Without a home it can only be abandoned.
  FunctionExecution(std::shared_ptr<FunctionInstance> instance, std::shared_ptr<FunctionHome> home,
                    FunctionSettings settings);
  ~FunctionExecution() = default;
  FunctionExecution(const FunctionExecution&) = delete;
  FunctionExecution& operator=(const FunctionExecution&) = delete;

  int64_t number() const { return number_; }
  const FunctionInstance& instance() const { return *instance_; }
  const FunctionHome& home() const { return *home_; }
  // When the time that its model allows is over, unless it has ended; kNever: there is no limit.
  uint64_t DueNs() const;
  // The answer then.
  Status TookTooLong() const;

  // The requests are this one's from now on.
  void Own(const std::vector<TRITONBACKEND_Request*>& requests);

  // On the JS thread of the home, with values of its environment ------------------------------

  // What the callback is given; null when it has been abandoned.
  napi_value Begin(FunctionViews* views);
  // What Respond returns for a request that has had its final response.
  static constexpr double kHasEnded = -1;
  // How many milliseconds to wait for room before the next response; 0: none.
  double Respond(uint32_t request, napi_value outputs, bool final);
  // The final flag, after any number of responses.
  void EndRequest(uint32_t request);
  void RespondError(uint32_t request, const Status& error);
  // To the requests of one context.
  void RespondErrorTo(uint64_t context, const Status& error);
  // One result for each request, then the end.
  void Finish(napi_value results);
  void End();

  // On any thread -----------------------------------------------------------------------------

  // All that have no final response get this one. On the thread of the home that is the end; else
  // it comes when that thread has let go of the inputs.
  void Abandon(const Status& error);
  // What is left to do there after that.
  void LetGo();
  // Has `read` look at a request that has no final response yet.
  template <typename Read>
  void Visit(uint32_t request, Read read) const {
    MutexLock lock(mutex_);
    if (state_ != State::kEnded && request < requests_.size() && !requests_[request].answered) {
      read(requests_[request].handle);
    }
  }

 private:
  enum class State { kWaiting, kRunning, kEnded };

  FunctionRequest* Open(uint32_t request) REQUIRES(mutex_);
  Status ReadInputs(FunctionRequest* request, std::vector<napi_value>* parts) REQUIRES(mutex_);
  Status CheckInputs(const FunctionRequest& request) const REQUIRES(mutex_);
  void Answer(FunctionRequest* request, napi_value outputs, bool final) REQUIRES(mutex_);
  void Fail(FunctionRequest* request, const Status& error) REQUIRES(mutex_);
  void FailAll(const Status& error) REQUIRES(mutex_);
  // It has had its final response.
  void Settle(FunctionRequest* request, bool success) REQUIRES(mutex_);
  // Nobody in JS can reach its inputs any more.
  void Release(FunctionRequest* request) REQUIRES(mutex_);
  void TakeBackViews(FunctionRequest* request) REQUIRES(mutex_);
  static void OnCancel(TRITONBACKEND_Request* request, void* userp);

  const std::shared_ptr<FunctionInstance> instance_;
  const std::shared_ptr<FunctionHome> home_;
  const FunctionSettings settings_;
  const int64_t number_;
  const uint64_t begin_ns_ = NowNs();

  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_) = State::kWaiting;
  bool abandoned_ GUARDED_BY(mutex_) = false;  // may be before it has ended; doesn't begin then
  std::vector<FunctionRequest> requests_ GUARDED_BY(mutex_);
  uint64_t run_ns_ GUARDED_BY(mutex_) = 0;             // when it was begun
  uint64_t done_ns_ GUARDED_BY(mutex_) = 0;            // when its last result came
  uint64_t batch_size_ GUARDED_BY(mutex_) = 0;         // of what has been answered well
  FunctionViews* views_ GUARDED_BY(mutex_) = nullptr;  // since it was begun
  napi_ref seen_ GUARDED_BY(mutex_) = nullptr;         // what Begin has given
};

}  // namespace trident
