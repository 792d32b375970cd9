#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "node/function_home.h"
#include "node/shared_server.h"
#include "trident/extension.h"

namespace trident {

class FunctionExecution;

// The server that instances belong to, as the backend knows it.
struct FunctionServer : std::enable_shared_from_this<FunctionServer> {
  std::shared_ptr<FunctionHome> home;  // of the environment that has started it
  SharedServer shared;
  int32_t id = -1;  // there
  uint64_t inline_budget_ns = 0;
  std::atomic<TRITONSERVER_Server*> server{nullptr};  // from its first model on
};

struct FunctionModel {
  std::string name;
  uint64_t version = 0;
  std::string description;  // the members of the JSON that all its instances have in common
};

// What JS knows from the configuration.
struct FunctionSettings {
  int64_t max_batch_size = 0;
  uint64_t execution_timeout_ns = 0;  // 0: none
  std::vector<std::string> states;    // names of its output states
};

/* An instance of a model of functions: it has a number in the whole process, and runs on the JS
 * thread of the environment that is its home, one execution at a time.
 *
 *     starting --Ready--> serving --its home ends--> homeless --Ready--> serving
 *         |                  |                           |
 *         +--Fail, or the    +---------Finalize----------+--> ended
 *            server's environment ends--> ended
 *
 * What it is to execute while it has no home waits for the next one, until Fail says that there is
 * none for now: that and all that comes before the next Ready is refused.
 *
 * Thread-safe, but that executions don't overlap. */
class FunctionInstance : public std::enable_shared_from_this<FunctionInstance> {
 public:
  FunctionInstance(std::shared_ptr<const FunctionModel> model,
                   std::shared_ptr<FunctionServer> server, TRITONBACKEND_ModelInstance* handle)
      : model_(std::move(model)), server_(std::move(server)), handle_(handle) {}

  int32_t number() const { return number_; }
  void set_number(int32_t number) { number_ = number; }  // once, by the registry
  const FunctionModel& model() const { return *model_; }
  const FunctionServer& server() const { return *server_; }
  const std::shared_ptr<FunctionServer>& shared_server() const { return server_; }
  TRITONBACKEND_ModelInstance* handle() const { return handle_; }

  // By the core. Start and Finalize wait for JS, unless there is none any more.
  Status Start(std::string description);
  Status Execute(TRITONBACKEND_Request** requests, uint32_t count);
  void Finalize();

  // By environments.
  // What waits for another home ends: there won't be one for now.
  void RefuseHeld();
  void Set(FunctionSettings settings);
  FunctionSettings settings() const;
  void Ready(const std::shared_ptr<FunctionHome>& home);
  // It does not get ready, now or at all.
  void Fail(Status status);
  void Finalized();

  // An environment ends, on its thread: nothing starts or runs there any more.
  void Leave(const FunctionHome& home, const std::string& why);
  // Its execution has ended; some of its requests succeeded, or none.
  void Free(bool succeeded);
  // An execution has succeeded since this was last asked.
  bool TakeSuccess();

 private:
  enum class State { kStarting, kServing, kHomeless, kEnded };
  using Batch = std::vector<TRITONBACKEND_Request*>;

  void Run(const Batch& batch, const std::shared_ptr<FunctionHome>& home);
  void Refuse(const Batch& batch, const Status& why);
  Status NobodyStartsIt() const;

  const std::shared_ptr<const FunctionModel> model_;
  const std::shared_ptr<FunctionServer> server_;
  TRITONBACKEND_ModelInstance* const handle_;
  int32_t number_ = 0;

  mutable Mutex mutex_;
  CondVar changed_;
  State state_ GUARDED_BY(mutex_) = State::kStarting;
  Status started_ GUARDED_BY(mutex_);
  FunctionSettings settings_ GUARDED_BY(mutex_);
  std::shared_ptr<FunctionHome> home_ GUARDED_BY(mutex_);  // while serving
  std::shared_ptr<FunctionExecution> execution_ GUARDED_BY(mutex_);
  Batch held_ GUARDED_BY(mutex_);      // what waits for the next home
  Status refusal_ GUARDED_BY(mutex_);  // why nothing waits, while homeless
  bool succeeded_ GUARDED_BY(mutex_) = false;
};

}  // namespace trident
