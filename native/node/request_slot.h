#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "memory/cuda_blocks.h"
#include "memory/region_registry.h"
#include "node/completion_queue.h"
#include "node/response_parameters.h"
#include "node/response_stream.h"
#include "node/server_handle.h"
#include "triton/core/tritonserver.h"

namespace trident {

inline constexpr int64_t kNotInSlab = -1;

struct PlanInput {
  std::string name;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::vector<int64_t> shape;
  uint64_t byte_size = 0;
  int64_t slab_offset = kNotInSlab;
};

struct PlanOutput {
  std::string name;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::optional<std::vector<int64_t>> shape;  // when it is known before the request runs
  uint64_t byte_size = 0;                     // of `shape`
  int64_t slab_offset = kNotInSlab;
  bool on_device = false;  // left in new memory of the device it is made on
};

// What all requests of one model with the same tensors have in common, crossed from JS once.
// Outlives its slots. Immutable after construction, but for what is marked.
struct RequestPlan {
  ServerHandle* server = nullptr;
  std::string model;
  int64_t version = -1;
  std::vector<PlanInput> inputs;
  std::vector<PlanOutput> outputs;
  bool names_outputs = false;  // ask for exactly `outputs`; otherwise they are all the model has
  std::vector<std::string> needs;  // models whose instances it takes; none: `model`'s
  int slot_count = 0;              // JS thread only
};

// Memory of the slot's own for an output whose size was not known: only ever grows.
class GrowingBuffer {
 public:
  GrowingBuffer() = default;
  ~GrowingBuffer();
  GrowingBuffer(GrowingBuffer&& other) noexcept;
  GrowingBuffer& operator=(GrowingBuffer&&) = delete;

  // Null when memory is short.
  void* Reserve(size_t byte_size);

 private:
  void* data_ = nullptr;
  size_t capacity_ = 0;
};

// A part of a shared-memory region or of a device's memory, of which each run of a request takes a
// lease of its own.
struct RegionPart {
  std::shared_ptr<SharedMemoryRegion> region;
  CudaMemory device_memory;
  std::string name;  // of a registered region, when it is neither
  uint64_t offset = 0;
  uint64_t byte_size = 0;
  RegionAccess access = RegionAccess::kRead;
};

// Where one tensor's bytes are for the current request.
struct Binding {
  void* base = nullptr;
  uint64_t byte_size = 0;
  cuda::Place place;
  bool foreign = false;  // memory the user named: never replaced by memory of our own
  std::unique_ptr<RegionPart> part;
  RegionLease lease;  // of `part`
};

struct OutputResult {
  bool present = false;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  std::optional<std::vector<int64_t>> shape;  // none: the plan's
  const void* base = nullptr;
  uint64_t byte_size = 0;
  CudaMemory device_memory;  // taken for an output to be left on its device
};

enum class SlotOutcome : int32_t { kAsPlanned = 0, kReadOutputs = 1, kFailed = 2 };

/* One reusable request of a plan, with the places its tensors lie in.
 *
 *     idle --Arm--> in flight --final response and release, in either order--> ended --> idle
 *
 * JS thread only while idle or ended; while in flight its fields belong to the callbacks below,
 * which the core never runs at the same time for one request. The step from "in flight" to "ended"
 * goes through CompletionQueue::Push. */
struct RequestSlot {
  RequestSlot(RequestPlan* plan, CompletionQueue* queue, CudaBlocks* blocks)
      : plan(plan), queue(queue), blocks(blocks) {}
  ~RequestSlot();

  // Makes the core's request for `plan`, with the inputs and outputs that lie in `slab` bound.
  Status Create(TRITONSERVER_ResponseAllocator* allocator, uint8_t* slab);

  // Points an input or output elsewhere. INVALID_ARG when an output would overlap another tensor.
  Status BindInput(size_t index, void* base, uint64_t byte_size, cuda::Place place = {});
  Status BindOutput(size_t index, void* base, uint64_t byte_size, cuda::Place place = {});
  // As those, for leased memory. Errors as RegionRegistry::Acquire.
  Status BindInputPart(size_t index, RegionPart part);
  Status BindOutputPart(size_t index, RegionPart part);
  // The input's slab memory holds `byte_size` bytes this time.
  Status ResizeInput(size_t index, uint64_t byte_size);
  // Forgets user memory: leases end, nothing points at it. Gives back what was made on a device and
  // not taken.
  void Unbind();

  // Before each submission. Fails as RegionRegistry::Acquire, for regions bound to an earlier run.
  Status Arm();
  // After Arm, when the core did not take it: ends as failed, here and now.
  void Refuse(Status status);

  // It is call `number` until it has ended: its backend, or those of its steps, can see that.
  void SetCall(uint64_t number);
  void EndCall();
  // Has the next run traced; null: it isn't. Takes the trace.
  void SetChildTrace(TRITONSERVER_InferenceTrace* trace);

  RequestPlan* const plan;
  CompletionQueue* const queue;
  CudaBlocks* const blocks;  // for outputs left on their device
  int32_t id = -1;
  bool in_flight = false;  // from submission until the JS thread has taken the completion
  TRITONSERVER_InferenceRequest* request = nullptr;
  TRITONSERVER_InferenceTrace* trace = nullptr;        // the core's, once it has taken the request
  TRITONSERVER_InferenceTrace* child_trace = nullptr;  // as that, beneath the trace of a caller
  uint64_t call = 0;                                   // its number in the FunctionRegistry, if any
  std::vector<std::shared_ptr<void>> keepers;          // of memory that functions were lent

  std::vector<Binding> inputs;
  std::vector<Binding> outputs;
  std::vector<GrowingBuffer> buffers;  // one per output

  // What came back.
  std::vector<OutputResult> results;
  std::vector<ResponseParameter> parameters;
  SlotOutcome outcome = SlotOutcome::kAsPlanned;
  Status error;
  int responses = 0;
  // Set where any number of responses may come: they go there instead.
  std::shared_ptr<ResponseStream> stream;

  // Under the completion queue's mutex while in flight.
  bool awaited = false;
  bool ended = true;

  std::atomic<uint32_t> steps_left{0};  // release, final response

 private:
  Status Append(size_t index);
  Result<RegionLease> Acquire(const RegionPart& part) const;
  Status RenewLeases();
  bool OverlapsOthers(const Binding& output) const;
};

// The callbacks given to the core (write_response.cc); `userp` is the RequestSlot.
TRITONSERVER_Error* AllocateOutput(TRITONSERVER_ResponseAllocator* allocator,
                                   const char* tensor_name, size_t byte_size,
                                   TRITONSERVER_MemoryType memory_type, int64_t memory_type_id,
                                   void* userp, void** buffer, void** buffer_userp,
                                   TRITONSERVER_MemoryType* actual_memory_type,
                                   int64_t* actual_memory_type_id);
TRITONSERVER_Error* FreeOutput(TRITONSERVER_ResponseAllocator* allocator, void* buffer,
                               void* buffer_userp, size_t byte_size,
                               TRITONSERVER_MemoryType memory_type, int64_t memory_type_id);
void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp);
void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp);

}  // namespace trident
