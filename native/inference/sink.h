#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/status.h"
#include "inference/buffer.h"
#include "inference/response_pool.h"

namespace trident {

// Memory for one output, got from a sink and given back to it.
struct OutputBuffer {
  void* data = nullptr;
  void* sink_data = nullptr;  // the sink's own note about this buffer
  BufferAttributes attributes;
};

// Where the responses of a request end up: a C callback, an ensemble step, a warm-up. It also says
// where output bytes go, so that a backend can write straight to their destination. Its methods
// are called on whichever thread sends the response, never under a lock. Thread-safe.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;

  // Called once a response, before its first allocation.
  virtual Status StartResponse() { return Status::Ok(); }

  // Fills `buffer` with at least `byte_size` bytes; `buffer->attributes` holds the preference of
  // the backend on entry and the truth on return.
  virtual Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) = 0;
  virtual void Free(const OutputBuffer& buffer) = 0;

  // Where an output of this name would be put, before anything is allocated.
  virtual Status Query(const char* output_name, uint64_t* byte_size,
                       BufferAttributes* attributes) = 0;

  // `response` is null when the final flag travels alone.
  virtual void Deliver(ResponsePtr response, uint32_t flags) = 0;

  // What its client knows it by; null where nobody does.
  virtual void* client_data() const { return nullptr; }
};

inline constexpr uint32_t kResponseFinal = 1;

// Stands between a backend and `client`, which it leaves all memory to; what becomes of responses
// is for who derives from it. As thread-safe as `client`.
class ForwardingSink : public ResponseSink {
 public:
  explicit ForwardingSink(std::shared_ptr<ResponseSink> client) : client_(std::move(client)) {}

  Status StartResponse() override { return client_->StartResponse(); }
  Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) override {
    return client_->Allocate(output_name, byte_size, buffer);
  }
  void Free(const OutputBuffer& buffer) override { client_->Free(buffer); }
  Status Query(const char* output_name, uint64_t* byte_size,
               BufferAttributes* attributes) override {
    return client_->Query(output_name, byte_size, attributes);
  }

 protected:
  ResponseSink& client() { return *client_; }

 private:
  const std::shared_ptr<ResponseSink> client_;
};

}  // namespace trident
