#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/datatype.h"
#include "base/shape.h"
#include "base/status.h"
#include "inference/cancel_notice.h"
#include "inference/parameter.h"
#include "inference/sink.h"
#include "inference/target.h"
#include "inference/trace.h"

namespace trident {

// The line from one submission of a request to its sink. Held by the request while it is in
// flight, by every response not yet sent and by every response factory; when the last of them lets
// go without a final response having been sent, it sends INTERNAL itself, so that nobody waits
// for ever. Thread-safe.
class ResponseChannel {
 public:
  ResponseChannel(std::shared_ptr<InferenceTarget> target, std::shared_ptr<ResponseSink> sink,
                  std::string request_id);
  ~ResponseChannel();

  // Makes a channel nobody holds any more ready for the next submission.
  void Reset(std::shared_ptr<InferenceTarget> target, std::shared_ptr<ResponseSink> sink,
             const std::string& request_id);

  // Puts `sink` between the backend and the client; before the request is queued.
  void Decorate(std::shared_ptr<ResponseSink> sink) { sink_ = std::move(sink); }
  // Somebody beside the request and its responses keeps this channel, at no known distance from
  // the end of the request: it can't serve the next submission.
  void MarkShared() { shared_.store(true, std::memory_order_relaxed); }
  // What its responses tell `trace` of, and keep, until the submission is over.
  void Trace(InferenceTrace* trace) { trace_ = TraceHold(trace); }
  void ForgetTrace() { trace_.Forget(); }

  bool reusable() const { return !shared_.load(std::memory_order_relaxed); }

  void Hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void LetGo();

  // Delivers to the sink. INVALID_ARG, and the response dropped, after a final one.
  Status Send(ResponsePtr response, uint32_t flags);

  // The place of the next response that a backend reports to the statistics, from 0. Only response
  // factories report, and their channels serve one submission.
  uint64_t NextReportedPlace() { return reported_.fetch_add(1, std::memory_order_relaxed); }

  // For a request that somebody else will have run again, and answered then.
  void ExpectNoMore() { final_sent_.store(true, std::memory_order_release); }
  bool final_sent() const { return final_sent_.load(std::memory_order_acquire); }

  // Of `request`, whose submission this serves. True: whoever executes it has been told, and may
  // have released it.
  bool Cancel(InferenceRequest* request);
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  // Whoever executes `request` has `function` called when it is cancelled, or at once if it is;
  // null: no more. See CancelNotice.
  void TellOfCancel(InferenceRequest* request, CancelNotice::Function function);
  void ForgetCancelFunction() {
    CancelNotice* const notice = notice_.load(std::memory_order_relaxed);
    if (notice != nullptr) notice->Set(nullptr);
  }

  const std::shared_ptr<InferenceTarget>& target() const { return target_; }
  const std::shared_ptr<ResponseSink>& sink() const { return sink_; }
  const std::string& request_id() const { return request_id_; }
  bool traced() const { return trace_.get() != nullptr; }

 private:
  friend class InferenceResponse;
  std::shared_ptr<InferenceTarget> target_;
  std::shared_ptr<ResponseSink> sink_;
  std::string request_id_;
  TraceHold trace_;
  std::atomic<int> holders_{0};
  std::atomic<bool> cancelled_{false};
  // Made when a backend first wants to be told, and kept; null before.
  std::atomic<CancelNotice*> notice_{nullptr};
  std::atomic<bool> final_sent_{false};
  std::atomic<bool> shared_{false};
  std::atomic<uint64_t> reported_{0};
};

// One output of a response, which owns it; its bytes lie where the sink put them.
class OutputTensor {
 public:
  explicit OutputTensor(InferenceResponse* response) : response_(response) {}

  const std::string& name() const { return name_; }
  DataType datatype() const { return datatype_; }
  const Shape& shape() const { return shape_; }
  bool has_buffer() const { return allocated_; }
  OutputBuffer& buffer() { return buffer_; }
  const OutputBuffer& buffer() const { return buffer_; }

  // Asks the response's sink for memory; INVALID_ARG when the size does not fit shape and datatype,
  // or when called twice.
  Status Allocate(uint64_t byte_size, BufferAttributes preferred);
  // Takes memory that was got from the response's sink before there was a response.
  void Adopt(const OutputBuffer& buffer);

 private:
  friend class InferenceResponse;
  InferenceResponse* const response_;
  std::string name_;
  DataType datatype_ = DataType::kInvalid;
  Shape shape_;
  bool allocated_ = false;
  OutputBuffer buffer_;
};

// A response: built by a backend, sent once, then owned by whoever got it. Frees its outputs'
// memory with the sink that allocated it when it is dropped, and goes back to its model's pool.
// Externally synchronised by its owner.
class InferenceResponse {
 public:
  // Takes part in `channel` (holds it) until sent or dropped.
  static ResponsePtr New(std::shared_ptr<ResponseChannel> channel);
  InferenceResponse(const InferenceResponse&) = delete;
  InferenceResponse& operator=(const InferenceResponse&) = delete;

  // The shape is the backend's; the receiver sees the form that the model's configuration gives it.
  OutputTensor* AddOutput(std::string_view name, DataType datatype, std::span<const int64_t> shape);
  OutputTensor* AddOutput(std::string_view name, DataType datatype, const Shape& shape) {
    return AddOutput(name, datatype, std::span(shape));
  }
  // The shape is already the receiver's.
  OutputTensor* RestoreOutput(std::string_view name, DataType datatype,
                              std::span<const int64_t> shape);
  OutputTensor* FindOutput(std::string_view name);
  // Its sink has been told of it already.
  void MarkStarted() { allocating_ = true; }
  std::span<const std::unique_ptr<OutputTensor>> outputs() const {
    return {outputs_.data(), output_count_};
  }

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  InferenceTarget& target() const { return *target_; }
  const ModelSignature& model() const { return target_->signature(); }
  const std::string& request_id() const { return request_id_; }
  const std::shared_ptr<ResponseSink>& sink() const { return sink_; }

  void set_status(Status status) { status_ = std::move(status); }
  const Status& status() const { return status_; }

  // Consumes `response`.
  static Status Send(ResponsePtr response, uint32_t flags);

 private:
  friend class OutputTensor;
  friend class ResponseChannel;
  friend class ResponsePool;
  friend struct ResponseRecycler;
  InferenceResponse() = default;
  static ResponsePtr NewFor(const ResponseChannel& channel);
  void Recycle();

  std::shared_ptr<ResponseChannel> channel_;  // until sent
  std::shared_ptr<InferenceTarget> target_;   // null: it is in the pool
  std::shared_ptr<ResponseSink> sink_;
  std::string request_id_;
  TraceHold trace_;
  std::vector<std::unique_ptr<OutputTensor>> outputs_;  // those in use, then those that were
  size_t output_count_ = 0;
  std::vector<Parameter> parameters_;
  bool allocating_ = false;  // the sink knows of this response
  Status status_;
  InferenceResponse* next_spare_ = nullptr;  // guarded by the pool's mutex
};

}  // namespace trident
