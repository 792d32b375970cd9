#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/datatype.h"
#include "base/shape.h"
#include "base/status.h"
#include "inference/buffer.h"
#include "inference/parameter.h"
#include "inference/response.h"
#include "inference/target.h"

namespace trident {

// One input of a request: a description and the caller's bytes, in one buffer or several.
class InputTensor {
 public:
  InputTensor(std::string name, DataType datatype, Shape shape)
      : name_(std::move(name)), datatype_(datatype), shape_(std::move(shape)) {}

  const std::string& name() const { return deduced_name_.empty() ? name_ : deduced_name_; }
  DataType datatype() const { return datatype_; }
  const Shape& shape() const { return shape_; }  // with the batch dimension, if the model batches
  // What the backend sees: `shape`, or the form the model's configuration reshapes it to.
  const Shape& backend_shape() const { return reshaped_ ? *reshaped_ : shape_; }
  uint64_t byte_size() const { return byte_size_; }

  // Buffers meant for every instance, or those for the host policy when it has its own.
  const std::vector<ConstBuffer>& buffers() const { return buffers_; }
  const std::vector<ConstBuffer>& BuffersFor(const char* host_policy) const;
  bool varies_by_host_policy() const { return !host_policy_buffers_.empty(); }
  const std::map<std::string, std::vector<ConstBuffer>>& host_policy_buffers() const {
    return host_policy_buffers_;
  }

  // INVALID_ARG when the total size overflows.
  Status Append(const ConstBuffer& buffer);
  // The whole data, in memory that `owner` keeps alive.
  void Own(std::shared_ptr<const void> owner, const ConstBuffer& buffer);
  Status AppendForHostPolicy(const std::string& host_policy, const ConstBuffer& buffer);
  void RemoveData();

 private:
  friend class InferenceRequest;
  std::string name_;
  DataType datatype_;
  Shape shape_;
  std::optional<Shape> reshaped_;
  uint64_t byte_size_ = 0;
  std::vector<ConstBuffer> buffers_;
  std::map<std::string, std::vector<ConstBuffer>> host_policy_buffers_;
  bool changed_ = true;  // since the request was last checked
  bool raw_ = false;     // datatype, shape and the model's name for it are deduced at submission
  std::string deduced_name_;
  std::shared_ptr<const void> owner_;
};

// A sequence a request belongs to: a number or a string, or none.
struct CorrelationId {
  bool is_string = false;
  uint64_t number = 0;
  std::string text;

  bool operator==(const CorrelationId&) const = default;
};

inline constexpr uint32_t kReleaseAll = 1;
inline constexpr uint32_t kReleaseReschedule = 2;

struct ExpiryEntry;
class InferenceRequest;
class RequestQueue;
class SequenceStates;
struct Sequence;

// Whoever handed a request to a backend and wants to know when it comes back. Thread-safe.
class ReleaseWatcher {
 public:
  virtual ~ReleaseWatcher() = default;
  // The backend is done with `request`. True: the watcher has it now (it was rescheduled); false:
  // it goes back to its client.
  virtual bool OnRelease(InferenceRequest* request, uint32_t flags) = 0;
};

struct RequestReleaser {
  void operator()(InferenceRequest* request) const;
};
// A submitted request. Whoever drops it gives it back to its client.
using RequestPtr = std::unique_ptr<InferenceRequest, RequestReleaser>;

/* A request. The client fills it, submits it, gets it back through the release callback and may
 * submit it again.
 *
 *     kIdle --Claim--> kClaimed --Submit--> kQueued --MarkExecuting--> kExecuting
 *       ^                 |                    |                          |
 *       +----Unclaim------+     Withdraw, Release                      Release
 *       +--------------------------------------+--------------------------+
 *
 * Externally synchronised by its owner: the client while idle, the scheduler while queued, the
 * backend while executing. Only Cancel and IsCancelled may be called by the client at any time
 * between submission and release. */
class InferenceRequest {
 public:
  using ReleaseCallback = std::function<void(InferenceRequest*, uint32_t flags)>;
  enum class State { kIdle, kClaimed, kQueued, kExecuting };

  // `requested_version` -1 follows the model's newest version over reloads.
  InferenceRequest(std::shared_ptr<InferenceTarget> target, int64_t requested_version);
  ~InferenceRequest();
  InferenceRequest(const InferenceRequest&) = delete;
  InferenceRequest& operator=(const InferenceRequest&) = delete;
  // Requests lie together, for those of a long queue.
  static void* operator new(size_t size);
  static void operator delete(void* request);

  // What the client says ------------------------------------------------------------------------
  std::string id;
  uint32_t flags = 0;
  CorrelationId correlation_id;
  uint64_t priority = 0;
  uint64_t timeout_us = 0;
  uint64_t deadline_us = 0;  // from submission to answer; 0: none. For models with such batching
  uint64_t context = 0;      // whatever the client reads from it
  std::vector<Parameter> parameters;
  ReleaseCallback on_release;
  std::shared_ptr<ResponseSink> sink;
  // Where the times of its execution are added up besides, for an ensemble whose step it is.
  std::shared_ptr<ComputeTotals> compute_totals;

  Result<InputTensor*> AddInput(std::string name, DataType datatype, Shape shape);
  // The model's only input, whose datatype and shape follow from the model and the bytes.
  Status AddRawInput(std::string name);
  Result<InputTensor*> FindInput(std::string_view name);
  Status RemoveInput(std::string_view name);
  void RemoveAllInputs();
  const std::vector<std::unique_ptr<InputTensor>>& inputs() const { return inputs_; }

  // Tensors the scheduler adds for the backend: sequence controls, states. They go when the
  // request is submitted again. Their names are none of the model's inputs. Shared: what is the
  // same for many requests exists once.
  void AddOverrideInput(std::shared_ptr<InputTensor> input);
  void RemoveOverrideInputs() { overrides_.clear(); }
  // What the backend sees: the client's inputs, then the scheduler's.
  size_t backend_input_count() const { return inputs_.size() + overrides_.size(); }
  InputTensor* backend_input(size_t index) const {
    return index < inputs_.size() ? inputs_[index].get() : overrides_[index - inputs_.size()].get();
  }

  Result<InputTensor*> FindBackendInput(std::string_view name);

  Status AddRequestedOutput(std::string name);
  Status RemoveRequestedOutput(const std::string& name);
  void RemoveAllRequestedOutputs();
  // What the backend must produce: those asked for, or all the model has.
  size_t output_count() const;
  const std::string& output_name(size_t index) const;

  const std::shared_ptr<InferenceTarget>& target() const { return target_; }
  int64_t requested_version() const { return requested_version_; }
  void Rebind(std::shared_ptr<InferenceTarget> target);
  // "[request id: X] ", how every message about a request begins.
  std::string LogPrefix() const;

  // Fills the empty slot of a batch: the backend computes it, nobody wants its outputs.
  bool is_null = false;
  // A submitted one that may run beside this request, which is prepared: inputs of the same form,
  // all zero (`zeros` holds enough of them) but for shape tensors, and no outputs. It belongs to
  // whoever drops it.
  RequestPtr MakeNull(std::shared_ptr<const void> zeros, uint64_t now_ns) const;
  // Bytes of zeros that MakeNull needs.
  uint64_t largest_input() const;

  // What the core does with it --------------------------------------------------------------------
  // Checks the request against its model's signature; sets what the backend reads: batch_size, the
  // form of reshaped inputs, all of a raw input. What has not changed since is not checked again.
  Status Prepare();
  // For a request that no scheduler sees: the inputs it has must fit, but none need be there.
  Status PrepareAlone();
  // For one that another server has checked and its scheduler completed: inputs have the form that
  // the backend sees, and may be none of the model's. Without a sink it is null.
  Status PrepareScheduled();
  uint32_t batch_size() const { return batch_size_; }

  // The right to submit this request; false when somebody else is at it or it is in flight.
  bool Claim();
  void Unclaim() { state_.store(State::kIdle, std::memory_order_release); }
  // From here until Release the request counts as in flight for its model.
  void Submit(uint64_t now_ns);
  // Takes back a Submit that no scheduler accepted; nothing is sent or called.
  void Withdraw();
  void MarkExecuting() { state_.store(State::kExecuting, std::memory_order_release); }
  // An executing request waits again.
  void MarkQueued() { state_.store(State::kQueued, std::memory_order_release); }
  // Set by the scheduler that hands the request out, for this one release.
  void set_release_watcher(ReleaseWatcher* watcher) { watcher_ = watcher; }
  // It has its place in the order of its model's responses.
  bool in_order = false;
  // The implicit state of its sequence, while it executes; null without.
  std::shared_ptr<SequenceStates> states;
  // Its client schedules it: reads the states afterwards, and has it run again when it is released
  // for that.
  bool hosted = false;
  // Where it waits for its turn; guarded by the sequence scheduler's mutex.
  Sequence* sequence = nullptr;

  // What the next submission is told to; null: to nobody. The server has `trace` from when that is
  // accepted; a refused request names it still.
  void set_trace(InferenceTrace* trace) {
    trace_ = trace;
    trace_begun_ = false;
  }
  // Null in a request that is over.
  InferenceTrace* trace() const { return trace_; }
  bool trace_begun() const { return trace_begun_; }
  // Nothing more is told to the trace, which is not null, about the request itself.
  void EndTrace();

  Status Cancel();
  bool IsCancelled() const;
  // See ResponseChannel; while it is executing.
  void TellOfCancel(CancelNotice::Function function) {
    // In the function it may be released, and its client delete it or submit it again.
    const std::shared_ptr<ResponseChannel> channel = channel_;
    channel->TellOfCancel(this, std::move(function));
  }

  // Ends the submission: the client has the request again once its callback runs. If no final
  // response was sent and nobody is left to send one, INTERNAL goes out first.
  void Release(uint32_t flags);

  const std::shared_ptr<ResponseChannel>& channel() const { return channel_; }
  uint64_t start_ns() const { return start_ns_; }
  // When its answer is due, where its scheduler goes by deadlines; kNever: at no time.
  uint64_t deadline_ns() const { return deadline_ns_; }
  void set_deadline_ns(uint64_t deadline_ns) { deadline_ns_ = deadline_ns; }
  State state() const { return state_.load(std::memory_order_acquire); }

 private:
  friend class RequestQueue;
  friend class ExpiryWheel;

  void BeginTrace();
  Status DeduceRawInput(InputTensor* input) const;
  // It has passed the check as it is.
  bool IsPrepared() const;
  Status CheckInputNames() const;
  Status CheckInput(InputTensor* input, const TensorSpec& spec);
  Status CheckScheduledInput(InputTensor* input) const;
  template <typename Check>
  static Status CheckAllBuffers(const InputTensor& input, const Check& check);

  std::shared_ptr<InferenceTarget> target_;
  const int64_t requested_version_;
  std::vector<std::unique_ptr<InputTensor>> inputs_;
  std::vector<std::shared_ptr<InputTensor>> overrides_;
  std::vector<std::string> requested_outputs_;
  bool prepared_ = false;  // its list of inputs and outputs, for this target

  std::shared_ptr<ResponseChannel> channel_;
  std::atomic<State> state_{State::kIdle};
  ReleaseWatcher* watcher_ = nullptr;
  uint64_t deadline_ns_ = kNever;
  InferenceTrace* trace_ = nullptr;  // the channel holds it while the request is submitted
  bool trace_begun_ = false;         // once, however often a reload has it submitted again

  // All that a queue touches when it hands the request out, on one cache line: in a long queue that
  // line is cold, and full. The links are guarded by the scheduler's mutex.
  alignas(64) InferenceRequest* next_ = nullptr;
  InferenceRequest* previous_ = nullptr;
  RequestQueue* queue_ = nullptr;  // the one it is in
  // Of the request some places behind; to be prefetched, never read.
  const void* some_places_behind_ = nullptr;
  const void* its_expiry_entry_ = nullptr;
  ExpiryEntry* expiry_entry_ = nullptr;  // null: it may wait for ever
  uint64_t start_ns_ = 0;
  uint32_t batch_size_ = 0;
  uint16_t expiry_slot_ = 0;
};

// Drops whatever a backend sends for a null request; one for all.
const std::shared_ptr<ResponseSink>& NullRequestSink();

// Ends a submitted request with an error: counts the failure, sends the response, releases.
void RespondError(RequestPtr request, const Status& status,
                  FailureReason reason = FailureReason::kOther);

}  // namespace trident
