#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/datatype.h"
#include "base/mutex.h"
#include "inference/buffer.h"
#include "inference/signature.h"
#include "inference/statistics.h"

namespace trident {

class InferenceTrace;

// Values equal TRITONSERVER_InferenceTraceActivity.
enum class TraceActivity : int {
  kRequestStart = 0,
  kQueueStart = 1,
  kComputeStart = 2,
  kComputeInputEnd = 3,
  kComputeOutputStart = 4,
  kComputeEnd = 5,
  kRequestEnd = 6,
  kTensorQueueInput = 7,
  kTensorBackendInput = 8,
  kTensorBackendOutput = 9,
  kCustom = 10,
};

// What a listener is told, as bits; values equal TRITONSERVER_InferenceTraceLevel.
inline constexpr uint32_t kTraceTimestamps = 4;
inline constexpr uint32_t kTraceTensors = 8;

// A tensor as it passes a point; good during the call that tells of it.
struct TracedTensor {
  const char* name;
  DataType datatype;
  std::span<const int64_t> shape;
  ConstBuffer bytes;
};

// Whom a trace and its children tell. Called on whichever thread it happens, never under a lock;
// must not throw, for a request is on its way meanwhile. Thread-safe.
class TraceListener {
 public:
  virtual ~TraceListener() = default;
  virtual void OnActivity(InferenceTrace* trace, TraceActivity activity, uint64_t ns) = 0;
  virtual void OnTensor(InferenceTrace* trace, TraceActivity activity,
                        const TracedTensor& tensor) = 0;
  // The server has no more use for `trace`, which is the listener's again.
  virtual void OnRelease(InferenceTrace* trace) = 0;
};

/* What happens to one request, told while it happens. Its client's, who gives it along with a
 * request and gets it back when the request and all its responses have let go of it (TraceHold).
 * Thread-safe, but for Describe. */
class InferenceTrace {
 public:
  // `parent_id` 0: none.
  InferenceTrace(uint32_t level, uint64_t parent_id, std::shared_ptr<TraceListener> listener);
  InferenceTrace(const InferenceTrace&) = delete;
  InferenceTrace& operator=(const InferenceTrace&) = delete;

  // A trace of what is done on behalf of this one, told to the same listener.
  std::unique_ptr<InferenceTrace> SpawnChild() const;

  // Of which request it is; once, before that is submitted for the first time.
  void Describe(const ModelSignature& model, const std::string& request_id);

  uint64_t id() const { return id_; }
  uint64_t parent_id() const { return parent_id_; }
  const std::string& model_name() const { return model_name_; }
  int64_t model_version() const { return model_version_; }
  const std::string& request_id() const { return request_id_; }

  void Report(TraceActivity activity, uint64_t ns);
  void ReportNow(TraceActivity activity);
  // Of an execution; a moment that a backend gives as 0 has not been.
  void ReportCompute(const ExecutionTimes& times);
  // An activity that the core has no name for. The listener finds `name` in the context, for as
  // long as it is called.
  void ReportCustom(uint64_t ns, const std::string& name);

  bool wants_tensors() const { return (level_ & kTraceTensors) != 0; }
  void ReportTensor(TraceActivity activity, const TracedTensor& tensor);

  // The client's own text.
  void SetContext(std::string context);
  // The last text set, which is good as long as the trace. On a thread that reports a custom
  // activity it is what was set when the report began and, if that is a JSON object or empty, a
  // member more: the activity's name, under its time. That is good until the report ends.
  const char* context() const;

 private:
  friend class TraceHold;
  void Hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  // The last one gives the trace back.
  void LetGo();
  class CustomReport;

  const uint32_t level_;
  const uint64_t id_;
  const uint64_t parent_id_;
  const std::shared_ptr<TraceListener> listener_;
  std::atomic<int> holders_{0};

  std::string model_name_;
  int64_t model_version_ = 0;
  std::string request_id_;

  mutable Mutex mutex_;
  // Every text the client has set: whoever has asked may still read it.
  std::deque<std::string> contexts_ GUARDED_BY(mutex_) = {""};
};

// A part in a trace that the server has; none by default.
class TraceHold {
 public:
  TraceHold() = default;
  explicit TraceHold(InferenceTrace* trace) : trace_(trace) {
    if (trace_ != nullptr) trace_->Hold();
  }
  TraceHold(const TraceHold& other) : TraceHold(other.trace_) {}
  TraceHold(TraceHold&& other) noexcept : trace_(std::exchange(other.trace_, nullptr)) {}
  TraceHold& operator=(TraceHold other) noexcept {
    std::swap(trace_, other.trace_);
    return *this;
  }
  ~TraceHold() { LetGo(); }

  InferenceTrace* get() const { return trace_; }
  void LetGo() {
    if (trace_ != nullptr) std::exchange(trace_, nullptr)->LetGo();
  }
  // The part ends as if it had never been: when it was the last, the client is not told.
  void Forget();

 private:
  InferenceTrace* trace_ = nullptr;
};

}  // namespace trident
