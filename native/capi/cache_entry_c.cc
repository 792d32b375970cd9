// TRITONCACHE_CacheEntry and TRITONCACHE_Allocator.

#include "capi/handles.h"
#include "server/cache_entry.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Status CheckMemory(const BufferAttributes& attributes) {
  if (attributes.memory_type != MemoryType::kGpu) return Status::Ok();
  return InvalidArg("Only buffers in CPU memory are allowed in cache currently");
}

Result<CacheEntry::Buffer*> BufferAt(TRITONCACHE_CacheEntry* entry, size_t index) {
  std::vector<CacheEntry::Buffer>& buffers = Core(entry)->buffers;
  if (index < buffers.size()) return &buffers[index];
  return InvalidArg("out of bounds index ", index, ": cache entry has ", buffers.size(),
                    " buffers");
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONCACHE_CacheEntryNew(TRITONCACHE_CacheEntry** entry) {
  TRIDENT_REQUIRE(entry);
  return Guard([&] {
    *entry = HandleOf<TRITONCACHE_CacheEntry>(new CacheEntry());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONCACHE_CacheEntryDelete(TRITONCACHE_CacheEntry* entry) {
  TRIDENT_REQUIRE(entry);
  delete Core(entry);
  return nullptr;
}

TRITONSERVER_Error* TRITONCACHE_CacheEntryBufferCount(TRITONCACHE_CacheEntry* entry,
                                                      size_t* count) {
  TRIDENT_REQUIRE(entry, count);
  *count = Core(entry)->buffers.size();
  return nullptr;
}

TRITONSERVER_Error* TRITONCACHE_CacheEntryAddBuffer(
    TRITONCACHE_CacheEntry* entry, void* base, TRITONSERVER_BufferAttributes* buffer_attributes) {
  TRIDENT_REQUIRE(entry, base, buffer_attributes);
  return Guard([&]() -> Status {
    const BufferAttributes& attributes = *Core(buffer_attributes);
    if (attributes.byte_size == 0) return InvalidArg("Buffer byte size was zero");
    TRIDENT_RETURN_IF_ERROR(CheckMemory(attributes));
    Core(entry)->buffers.push_back({base, attributes.byte_size});
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONCACHE_CacheEntryGetBuffer(
    TRITONCACHE_CacheEntry* entry, size_t index, void** base,
    TRITONSERVER_BufferAttributes* buffer_attributes) {
  TRIDENT_REQUIRE(entry, base, buffer_attributes);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(const CacheEntry::Buffer* buffer, BufferAt(entry, index));
    *base = buffer->base;
    *Core(buffer_attributes) = {.byte_size = buffer->byte_size};
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONCACHE_CacheEntrySetBuffer(
    TRITONCACHE_CacheEntry* entry, size_t index, void* new_base,
    TRITONSERVER_BufferAttributes* buffer_attributes) {
  TRIDENT_REQUIRE(entry);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(CacheEntry::Buffer * buffer, BufferAt(entry, index));
    if (buffer_attributes != nullptr) {
      TRIDENT_RETURN_IF_ERROR(CheckMemory(*Core(buffer_attributes)));
      buffer->byte_size = Core(buffer_attributes)->byte_size;
    }
    buffer->base = new_base;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONCACHE_Copy(TRITONCACHE_Allocator* allocator,
                                     TRITONCACHE_CacheEntry* entry) {
  TRIDENT_REQUIRE(allocator, entry);
  return Guard([&] { return Core(allocator)->Copy(*Core(entry)); });
}

}  // extern "C"
