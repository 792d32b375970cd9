#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "isolation/wire.h"
#include "trident/extension.h"
#include "triton/core/tritonserver.h"

namespace trident::isolation {

// A model that a child process serves: it executes what the parent sends, and tells the parent what
// comes of it. Where that can't be told, the process ends, which the parent learns of. Thread-safe.
class HostedModel {
 public:
  using Prepare = std::function<void(TRITONSERVER_ServerOptions*)>;

  explicit HostedModel(Channel* channel);
  // Waits until all that is executed has ended.
  ~HostedModel();
  HostedModel(const HostedModel&) = delete;
  HostedModel& operator=(const HostedModel&) = delete;

  // Answers with Loaded or LoadFailed. Once.
  void Load(const isolation::Load& load, const Prepare& prepare);
  // Answers with Executed when the backend has returned; all else comes when it comes.
  void Execute(const isolation::Execute& execute);
  void Cancel(const isolation::Cancel& cancel);

 private:
  struct Deleter {
    void operator()(TRITONSERVER_ServerOptions* options) const;
    void operator()(TRITONSERVER_ResponseAllocator* allocator) const;
  };
  using Options = std::unique_ptr<TRITONSERVER_ServerOptions, Deleter>;
  // A request that has not been released, or whose last response is still to come. Its address is
  // what the C API carries.
  struct OpenRequest {
    ~OpenRequest();

    HostedModel* model = nullptr;
    uint64_t execution = 0;
    uint32_t request = 0;
    TRITONSERVER_InferenceRequest* handle = nullptr;
    std::vector<Block> inputs;  // the parent's
    bool released = false;
    bool answered = false;
  };

  Result<Options> MakeOptions(const isolation::Load& load);
  Result<std::string> LoadModel(const isolation::Load& load, const Prepare& prepare);
  Status ExecuteBatch(const isolation::Execute& execute);
  Status Make(const Request& request, OpenRequest* open) const;
  Status AddInputs(const Request& request, OpenRequest* open) const;
  void GiveBackInputs(const OpenRequest& open);
  void Refuse(const OpenRequest& open, const Status& why);
  // Takes it from those that are open. Where it is let go of last, its handle is deleted.
  std::shared_ptr<OpenRequest> Take(OpenRequest* open);
  Status TrySend(const ToParent& message, std::span<const Block> blocks = {});
  void Send(const ToParent& message, std::span<const Block> blocks = {});
  void Respond(OpenRequest* open, TRITONSERVER_InferenceResponse* response, uint32_t flags);
  void Release(OpenRequest* open, uint32_t flags);
  Status ReadStates(const OpenRequest& open, Released* message, std::vector<Block>* blocks);
  // Forgets the request when nothing more is to come of it.
  void Close(OpenRequest* open, bool OpenRequest::*what);

  static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char*,
                                      size_t byte_size, TRITONSERVER_MemoryType, int64_t,
                                      void* userp, void** buffer, void** buffer_userp,
                                      TRITONSERVER_MemoryType* type, int64_t* type_id);
  static TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void* buffer, void* buffer_userp,
                                  size_t, TRITONSERVER_MemoryType, int64_t);
  static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp);
  static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp);
  static void OnReport(const TRITONSERVER_TridentReport* report, void* userp);
  static void OnLog(TRITONSERVER_LogLevel level, const char* file, int line, uint64_t timestamp_us,
                    const char* message, void* userp);

  Channel* const channel_;
  std::unique_ptr<TRITONSERVER_ResponseAllocator, Deleter> allocator_;
  TRITONSERVER_Server* server_ = nullptr;
  std::string model_;
  int64_t version_ = 0;

  Mutex mutex_;
  std::map<const void*, std::shared_ptr<OpenRequest>> open_ GUARDED_BY(mutex_);
};

}  // namespace trident::isolation
