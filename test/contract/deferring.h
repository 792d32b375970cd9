#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client.h"
#include "trident/extension.h"

// A backend that is part of this program and whose executions go on after the server's call: the
// test ends them when it likes.
namespace trident::contract {

// One that has been handed over. Its requests are good until they are answered.
struct Execution {
  TRITONBACKEND_ModelInstance* instance = nullptr;
  std::vector<TRITONBACKEND_Request*> requests;
  std::thread::id thread;  // that of the server's call

  // Every request gets its "input" as "output", and is released.
  void Answer() const;
  Outcome Defer() const;
  Outcome End() const;
  void AnswerAndEnd() const;
};

// Must outlive the servers that it is added to. Thread-safe.
class DeferringBackend {
 public:
  using OnExecute = std::function<TRITONSERVER_Error*(const Execution&)>;

  explicit DeferringBackend(std::string name = "deferring", bool never_blocks = true)
      : name_(std::move(name)), never_blocks_(never_blocks) {}
  void AddTo(TRITONSERVER_ServerOptions* options);

  // What a call does in place of deferring and handing over.
  void Execute(OnExecute instead) { instead_ = std::move(instead); }
  // The next one, once it has been handed over.
  Execution Take();
  bool empty() const;
  // Until so many instances have been finalised.
  void AwaitFinalized(int instances);
  int finalized() const;

  std::atomic<int> initialized{0};  // calls of the backend's own entry points
  std::atomic<int> ended{0};

 private:
  static DeferringBackend& Of(TRITONBACKEND_Backend* backend);
  static DeferringBackend& Of(TRITONBACKEND_ModelInstance* instance);
  static TRITONSERVER_Error* OnCall(TRITONBACKEND_ModelInstance* instance,
                                    TRITONBACKEND_Request** requests, uint32_t count);
  TRITONSERVER_Error* HandOver(const Execution& execution);
  void CountFinalized();

  const std::string name_;
  const bool never_blocks_;
  OnExecute instead_;  // set while nothing executes
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Execution> handed_over_;
  int finalized_ = 0;
};

// Settings of a server that has it.
ServerSettings With(DeferringBackend& backend,
                    std::function<void(TRITONSERVER_ServerOptions*)> more = nullptr);

}  // namespace trident::contract
