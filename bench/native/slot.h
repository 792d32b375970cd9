#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server.h"

namespace trident::bench {

// The input tensors of every request for one model: variable dimensions are 1, small numbers as
// contents. Read by all requests, written by nobody.
class ModelInputs {
 public:
  explicit ModelInputs(const Json& metadata);

  // Adds them to a request, which must not outlive them.
  void AddTo(TRITONSERVER_InferenceRequest* request) const;

 private:
  struct Input {
    std::string name;
    TRITONSERVER_DataType datatype;
    std::vector<int64_t> shape;
    std::vector<float> data;  // of the right size in bytes, whatever the datatype
    size_t byte_size = 0;
  };
  std::vector<Input> inputs_;
};

class Slot;

// Hears of requests that are over, on whichever thread saw the end of them.
class SlotOwner {
 public:
  virtual void Over(Slot* slot) = 0;

 protected:
  ~SlotOwner() = default;
};

// A request that is made once and submitted again and again, with its output buffers. It is over
// when it has its answer, which is deleted in the callback, and is back from the server. Whoever
// holds it while it is not submitted may use it. A refusal or a failure ends the program.
class Slot {
 public:
  Slot(const Server& server, const std::string& model, const ModelInputs& inputs,
       TRITONSERVER_ResponseAllocator* allocator, SlotOwner* owner);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  void Submit();
  // All of them by one call.
  static void SubmitTogether(const std::vector<std::unique_ptr<Slot>>& slots);

  // For the owner.
  uint64_t submitted_ns = 0;
  uint64_t ended_ns = 0;

 private:
  friend class OutputBuffers;
  struct Output {
    std::string name;
    std::vector<char> buffer;
  };

  void Prepare();
  static void OnRelease(TRITONSERVER_InferenceRequest*, uint32_t flags, void* slot);
  static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* slot);
  char* Buffer(const char* name, size_t byte_size);
  void LetGo();

  TRITONSERVER_Server* const server_;
  SlotOwner* const owner_;
  TRITONSERVER_InferenceRequest* request_ = nullptr;
  std::vector<Output> outputs_;
  std::atomic<int> holders_{0};  // the release and the answer still to come
};

// Has the server write every output to its slot's own buffer. Must outlive the slots.
class OutputBuffers {
 public:
  OutputBuffers();
  ~OutputBuffers();
  OutputBuffers(const OutputBuffers&) = delete;
  OutputBuffers& operator=(const OutputBuffers&) = delete;
  TRITONSERVER_ResponseAllocator* handle() const { return allocator_; }

 private:
  static TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char* name,
                                      size_t byte_size, TRITONSERVER_MemoryType, int64_t,
                                      void* slot, void** buffer, void** buffer_userp,
                                      TRITONSERVER_MemoryType* type, int64_t* id);
  TRITONSERVER_ResponseAllocator* allocator_ = nullptr;
};

// Loads a model and has all that its slots need. Slots must be over when it goes.
class ModelClient {
 public:
  ModelClient(Server* server, std::string model)
      : server_(*server),
        model_(std::move(model)),
        metadata_(server->Load(model_)),
        inputs_(metadata_) {}

  std::unique_ptr<Slot> MakeSlot(SlotOwner* owner) const {
    return std::make_unique<Slot>(server_, model_, inputs_, buffers_.handle(), owner);
  }
  // Of the backend that serves it.
  std::string platform() const { return metadata_.at("platform"); }

 private:
  const Server& server_;
  const std::string model_;
  const Json metadata_;
  const ModelInputs inputs_;
  const OutputBuffers buffers_;
};

}  // namespace trident::bench
