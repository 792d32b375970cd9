#include "capi/callback_sink.h"

#include "base/log.h"
#include "capi/handles.h"
#include "capi/in_callback.h"
#include "inference/response.h"

namespace trident {
namespace {

TRITONSERVER_ResponseAllocator* Handle(ResponseAllocator* allocator) {
  return HandleOf<TRITONSERVER_ResponseAllocator>(allocator);
}

Status CheckGiven(const char* output_name, const OutputBuffer& buffer) {
  if (buffer.data == nullptr && buffer.attributes.byte_size > 0) {
    return Unavailable("output '", output_name, "' was given no memory for its ",
                       buffer.attributes.byte_size, " bytes");
  }
  Status fit = CheckBuffer(buffer.data, buffer.attributes);
  if (fit.ok()) return fit;
  return fit.WithPrefix(StrCat("output '", output_name, "': "));
}

}  // namespace

Status CallbackSink::StartResponse() {
  if (allocator_->start == nullptr) return Status::Ok();
  return TakeError(allocator_->start(Handle(allocator_), allocator_userp_));
}

Status CallbackSink::Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) {
  BufferAttributes& attributes = buffer->attributes;
  auto type = static_cast<TRITONSERVER_MemoryType>(attributes.memory_type);
  int64_t id = attributes.memory_type_id;
  // Preset, because an allocator that grants the wish may leave them alone.
  TRITONSERVER_MemoryType actual_type = type;
  int64_t actual_id = id;
  TRIDENT_RETURN_IF_ERROR(TakeError(
      allocator_->alloc(Handle(allocator_), output_name, byte_size, type, id, allocator_userp_,
                        &buffer->data, &buffer->sink_data, &actual_type, &actual_id)));
  attributes.memory_type = ReadEnum<MemoryType>(actual_type);
  attributes.memory_type_id = actual_id;
  attributes.byte_size = byte_size;
  // Nearly always; a Status costs more than all of this.
  const bool on_heap = buffer->data != nullptr && attributes.memory_type == MemoryType::kCpu;
  if (on_heap && allocator_->attributes == nullptr) return Status::Ok();
  Status status;
  if (allocator_->attributes != nullptr) {
    status = TakeError(allocator_->attributes(Handle(allocator_), output_name,
                                              HandleOf<TRITONSERVER_BufferAttributes>(&attributes),
                                              allocator_userp_, buffer->sink_data));
    attributes.byte_size = byte_size;
  }
  if (status.ok()) status = CheckGiven(output_name, *buffer);
  if (!status.ok()) Free(*buffer);
  return status;
}

void CallbackSink::Free(const OutputBuffer& buffer) {
  const Status status = TakeError(allocator_->release(
      Handle(allocator_), buffer.data, buffer.sink_data, buffer.attributes.byte_size,
      static_cast<TRITONSERVER_MemoryType>(buffer.attributes.memory_type),
      buffer.attributes.memory_type_id));
  if (!status.ok()) {
    TRIDENT_LOG(*Logger::Current(), LogLevel::kError,
                "the release of an output buffer failed: ", status.message());
  }
}

Status CallbackSink::Query(const char* output_name, uint64_t* byte_size,
                           BufferAttributes* attributes) {
  if (allocator_->query == nullptr) {
    return Unavailable("the requester does not tell where outputs will be");
  }
  auto type = static_cast<TRITONSERVER_MemoryType>(attributes->memory_type);
  size_t size = byte_size == nullptr ? 0 : *byte_size;
  TRIDENT_RETURN_IF_ERROR(TakeError(allocator_->query(
      Handle(allocator_), allocator_userp_, output_name, byte_size == nullptr ? nullptr : &size,
      &type, &attributes->memory_type_id)));
  attributes->memory_type = ReadEnum<MemoryType>(type);
  if (byte_size != nullptr) *byte_size = size;
  return Status::Ok();
}

void CallbackSink::Deliver(ResponsePtr response, uint32_t flags) {
  const InCallback mark;
  complete_(HandleOf<TRITONSERVER_InferenceResponse>(response.release()), flags, complete_userp_);
}

}  // namespace trident
