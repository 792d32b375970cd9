#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "entry_points.h"
#include "memory.h"
#include "streams.h"

namespace trident::cuda::fake {
namespace {

// Nobody may rely on what new memory holds.
constexpr int kFreshByte = 0xa5;

// One end of a copy, kept until it is made.
struct End {
  std::shared_ptr<FakeMemory> memory;
  std::shared_ptr<FakePinned> pinned;
  std::shared_ptr<std::vector<char>> staged;
  char* data = nullptr;  // null: there is no such memory

  bool freed() const {
    return (memory != nullptr && memory->freed()) || (pinned != nullptr && pinned->freed());
  }
};

End DeviceEnd(DevicePointer address, uint64_t bytes) {
  End end;
  end.memory = FindMemory(address, bytes);
  if (end.memory != nullptr) end.data = end.memory->Alias(address);
  return end;
}

End HostEnd(const void* address, uint64_t bytes) {
  End end;
  if (address == nullptr || TouchesDevice(address, bytes)) return end;
  end.pinned = FindPinned(address, bytes);
  end.data = static_cast<char*>(const_cast<void*>(address));
  return end;
}

// Work on memory that has been freed meanwhile is not done; it shows as a violation.
void UseUnlessFreed(const End& to, const End& from, const std::function<void()>& use) {
  bool freed = to.freed() || from.freed();
  if (!freed) {
    use();
    freed = to.freed() || from.freed();
  }
  if (freed) Count(Row::violations, 1, 0);
}

// Copies go through a stream of any device; work of another kind does not.
CuResult Copy(Row function, CuStream handle, End to, End from, uint64_t bytes) {
  const auto stream = FakeStream::Find(handle);
  if (stream == nullptr) return kInvalidHandle;
  if (&stream->device() != CurrentDevice()) Count(Row::violations, 1, 0);
  if (to.data == nullptr || from.data == nullptr) return kInvalidValue;
  Count(function, 0, static_cast<int64_t>(bytes));
  if (from.memory == nullptr && from.pinned == nullptr) {
    from.staged = std::make_shared<std::vector<char>>(from.data, from.data + bytes);
    from.data = from.staged->data();
  }
  const bool wait = to.memory == nullptr && to.pinned == nullptr;
  const uint64_t number = stream->Ask([to = std::move(to), from = std::move(from), bytes] {
    UseUnlessFreed(to, from, [&] { memmove(to.data, from.data, bytes); });
  });
  if (!wait) return kSuccess;
  stream->WaitFor(number);
  return stream->device().Lost();
}

}  // namespace

extern "C" {

CuResult cuMemAlloc_v2(DevicePointer* pointer, size_t bytes) {
  const Call call(Row::cuMemAlloc_v2, Call::kNoCapture);
  if (call.failed()) return call.result();
  if (bytes == 0) return kInvalidValue;
  if (!call.device().Take(bytes)) return kOutOfMemory;
  const uint64_t lead = ResultOf(Row::lead);
  const int file = memfd_create("fake CUDA memory", MFD_CLOEXEC);
  std::shared_ptr<FakeMemory> memory;
  if (file >= 0 && ftruncate(file, static_cast<off_t>(lead + bytes)) == 0) {
    memory = FakeMemory::Map(&call.device(), file, lead, bytes, /*opened=*/false);
  } else if (file >= 0) {
    close(file);
  }
  if (memory == nullptr) {
    call.device().GiveBack(bytes);
    return kOutOfMemory;
  }
  *pointer = memory->pointer();
  memset(memory->Alias(*pointer), kFreshByte, bytes);
  Count(Row::cuMemAlloc_v2, 0, static_cast<int64_t>(bytes));
  Count(Row::device, 1, static_cast<int64_t>(bytes));
  Remember(std::move(memory));
  return kSuccess;
}

CuResult cuMemFree_v2(DevicePointer pointer) {
  const Call call(Row::cuMemFree_v2, Call::kNoCapture);
  if (call.refused()) return call.result();
  const auto memory = FindMemory(pointer, 1);
  if (memory == nullptr || memory->opened() || ForgetMemory(pointer) == nullptr) {
    return kInvalidValue;
  }
  memory->Free();
  memory->device().GiveBack(memory->bytes());
  Count(Row::device, -1, -static_cast<int64_t>(memory->bytes()));
  return call.result();
}

CuResult cuMemHostAlloc(void** pointer, size_t bytes, unsigned flags) {
  const Call call(Row::cuMemHostAlloc, Call::kNoCapture);
  if (call.failed()) return call.result();
  if (bytes == 0 || flags > 7) return kInvalidValue;
  auto memory = FakePinned::Map(bytes);
  if (memory == nullptr) return kOutOfMemory;
  *pointer = memory->data();
  memset(*pointer, kFreshByte, bytes);
  Count(Row::cuMemHostAlloc, 0, static_cast<int64_t>(bytes));
  Count(Row::host, 1, static_cast<int64_t>(bytes));
  Remember(std::move(memory));
  return kSuccess;
}

CuResult cuMemFreeHost(void* pointer) {
  const Call call(Row::cuMemFreeHost, Call::kNoCapture);
  if (call.refused()) return call.result();
  const auto memory = ForgetPinned(pointer);
  if (memory == nullptr) return kInvalidValue;
  memory->Free();
  Count(Row::host, -1, -static_cast<int64_t>(memory->byte_size()));
  return call.result();
}

CuResult cuMemGetAddressRange_v2(DevicePointer* base, size_t* bytes, DevicePointer inside) {
  const Call call(Row::cuMemGetAddressRange_v2);
  if (call.failed()) return call.result();
  const auto memory = FindMemory(inside, 1);
  if (memory == nullptr) return kNotFound;
  if (base != nullptr) *base = memory->base();
  if (bytes != nullptr) *bytes = memory->byte_size();
  return kSuccess;
}

CuResult cuPointerGetAttribute(void* value, int attribute, DevicePointer pointer) {
  const Call call(Row::cuPointerGetAttribute, Call::kDriver);
  if (call.failed()) return call.result();
  const auto memory = FindMemory(pointer, 1);
  const bool pinned = FindPinned(reinterpret_cast<void*>(pointer), 1) != nullptr;
  if (memory == nullptr && !pinned) return kInvalidValue;
  switch (attribute) {
    case kPointerMemoryType:
      *static_cast<unsigned*>(value) = pinned ? 1 : kMemoryTypeDevice;
      return kSuccess;
    case kPointerDeviceOrdinal:
      *static_cast<int*>(value) = pinned ? 0 : memory->device().ordinal();
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

CuResult cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, size_t bytes, CuStream stream) {
  const Call call(Row::cuMemcpyHtoDAsync_v2);
  if (call.failed()) return call.result();
  return Copy(Row::cuMemcpyHtoDAsync_v2, stream, DeviceEnd(to, bytes), HostEnd(from, bytes), bytes);
}

CuResult cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, size_t bytes, CuStream stream) {
  const Call call(Row::cuMemcpyDtoHAsync_v2);
  if (call.failed()) return call.result();
  return Copy(Row::cuMemcpyDtoHAsync_v2, stream, HostEnd(to, bytes), DeviceEnd(from, bytes), bytes);
}

CuResult cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, CuStream stream) {
  const Call call(Row::cuMemcpyDtoDAsync_v2);
  if (call.failed()) return call.result();
  return Copy(Row::cuMemcpyDtoDAsync_v2, stream, DeviceEnd(to, bytes), DeviceEnd(from, bytes),
              bytes);
}

CuResult cuMemcpyPeerAsync(DevicePointer to, CuContext to_context, DevicePointer from,
                           CuContext from_context, size_t bytes, CuStream stream) {
  const Call call(Row::cuMemcpyPeerAsync);
  if (call.failed()) return call.result();
  const FakeDevice* to_device = DeviceOf(to_context);
  const FakeDevice* from_device = DeviceOf(from_context);
  if (to_device == nullptr || from_device == nullptr) return kInvalidContext;
  End to_end = DeviceEnd(to, bytes);
  End from_end = DeviceEnd(from, bytes);
  if (to_end.data == nullptr || &to_end.memory->device() != to_device) return kInvalidValue;
  if (from_end.data == nullptr || &from_end.memory->device() != from_device) return kInvalidValue;
  return Copy(Row::cuMemcpyPeerAsync, stream, std::move(to_end), std::move(from_end), bytes);
}

CuResult cuMemsetD8Async(DevicePointer to, unsigned char value, size_t bytes, CuStream stream) {
  const Call call(Row::cuMemsetD8Async);
  if (call.failed()) return call.result();
  const auto found = FindOwnStream(stream);
  if (found == nullptr) return kInvalidHandle;
  End end = DeviceEnd(to, bytes);
  if (end.data == nullptr) return kInvalidValue;
  Count(Row::cuMemsetD8Async, 0, static_cast<int64_t>(bytes));
  found->Ask([end = std::move(end), value, bytes] {
    UseUnlessFreed(end, end, [&] { memset(end.data, value, bytes); });
  });
  return kSuccess;
}

}  // extern "C"

}  // namespace trident::cuda::fake
