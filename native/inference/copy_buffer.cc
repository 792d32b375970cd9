#include "inference/copy_buffer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <vector>

#include "base/mutex.h"
#include "cuda/health.h"
#include "cuda/stream.h"

namespace trident {
namespace {

constexpr std::align_val_t kAlignment{64};  // a cache line, and the widest vector register

cuda::Place PlaceOf(const BufferAttributes& attributes) {
  if (attributes.memory_type != MemoryType::kGpu) return {};
  return {static_cast<int>(attributes.memory_type_id)};
}

// Streams that nobody uses, as making one takes longer than most copies. Thread-safe.
class IdleStreams {
 public:
  // For the process: like the driver they have no end.
  static IdleStreams& Get() {
    static auto* const streams = new IdleStreams;
    return *streams;
  }

  Result<std::unique_ptr<cuda::Stream>> Take(int device_id) {
    {
      MutexLock lock(mutex_);
      auto& idle = by_device_[device_id];
      if (!idle.empty()) {
        std::unique_ptr<cuda::Stream> stream = std::move(idle.back());
        idle.pop_back();
        return stream;
      }
    }
    TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
    return cuda::Stream::Create(device);
  }

  void GiveBack(std::unique_ptr<cuda::Stream> stream) {
    MutexLock lock(mutex_);
    by_device_[stream->device().id()].push_back(std::move(stream));
  }

 private:
  Mutex mutex_;
  std::map<int, std::vector<std::unique_ptr<cuda::Stream>>> by_device_ GUARDED_BY(mutex_);
};

Status CheckKnown(MemoryType type) {
  if (type >= MemoryType::kCpu && type <= MemoryType::kGpu) return Status::Ok();
  return InvalidArg("unknown memory type '", static_cast<int>(type), "'");
}

Status Copy(void* to, const BufferAttributes& to_place, const void* from,
            const BufferAttributes& from_place, uint64_t byte_size) {
  if (byte_size == 0) return Status::Ok();
  const cuda::Place target = PlaceOf(to_place);
  const cuda::Place source = PlaceOf(from_place);
  if (!target.on_device() && !source.on_device()) {
    memcpy(to, from, byte_size);
    return Status::Ok();
  }
  const int device_id = source.on_device() ? source.device_id : target.device_id;
  TRIDENT_ASSIGN_OR_RETURN(auto stream, IdleStreams::Get().Take(device_id));
  TRIDENT_RETURN_IF_ERROR(stream->Copy(to, target, from, source, byte_size));
  TRIDENT_RETURN_IF_ERROR(stream->Synchronize());
  IdleStreams::Get().GiveBack(std::move(stream));
  return Status::Ok();
}

// A copy that fails may be how a device is found to be lost.
Status CheckedForLoss(Status status) {
  if (!status.ok()) cuda::CheckDevices();
  return status;
}

}  // namespace

Status CopyBuffer(void* to, const BufferAttributes& to_place, const void* from,
                  const BufferAttributes& from_place, uint64_t byte_size) {
  return CheckedForLoss(Copy(to, to_place, from, from_place, byte_size));
}

Status CopyBlocks(std::span<const ConstBuffer> blocks, void* to, const BufferAttributes& to_place) {
  return CheckedForLoss(CopyBlocksUnderLock(blocks, to, to_place));
}

Status CopyBlocksUnderLock(std::span<const ConstBuffer> blocks, void* to,
                           const BufferAttributes& to_place) {
  auto* end = static_cast<char*>(to);
  for (const ConstBuffer& block : blocks) {
    const uint64_t byte_size = block.attributes.byte_size;
    TRIDENT_RETURN_IF_ERROR(Copy(end, to_place, block.data, block.attributes, byte_size));
    end += byte_size;
  }
  return Status::Ok();
}

bool OnHost(std::span<const ConstBuffer> blocks) {
  return std::none_of(blocks.begin(), blocks.end(), [](const ConstBuffer& block) {
    return block.attributes.memory_type == MemoryType::kGpu;
  });
}

void OwnedBufferDeleter::operator()(void* memory) const {
  if (pool != nullptr) {
    (void)pool->Free(memory);
  } else {
    operator delete(memory, kAlignment);
  }
}

Result<MemoryPool*> PoolFor(MemoryType type, int64_t id, MemoryPools& pools) {
  TRIDENT_RETURN_IF_ERROR(CheckKnown(type));
  if (type == MemoryType::kCpu) return nullptr;
  if (type == MemoryType::kCpuPinned) return &pools.pinned();
  return pools.OnDevice(id);
}

Result<OwnedBuffer> AllocateBuffer(uint64_t byte_size, const BufferAttributes& wished,
                                   const std::shared_ptr<MemoryPools>& pools) {
  TRIDENT_RETURN_IF_ERROR(CheckKnown(wished.memory_type));
  if (pools != nullptr && byte_size > 0) {
    const auto pool = PoolFor(wished.memory_type, wished.memory_type_id, *pools);
    if (pool.ok() && *pool != nullptr) {
      if (const Result<void*> piece = (*pool)->Allocate(byte_size); piece.ok()) {
        return OwnedBuffer{{*piece, OwnedBufferDeleter{{pools, *pool}}},
                           {wished.memory_type, wished.memory_type_id, byte_size}};
      }
    }
  }
  void* const data = byte_size > PTRDIFF_MAX
                         ? nullptr
                         :
                         operator new(std::max<uint64_t>(byte_size, 1), kAlignment, std::nothrow);
  if (data == nullptr) return Unavailable("no memory for a tensor of ", byte_size, " bytes");
  return OwnedBuffer{{data, OwnedBufferDeleter{}}, {MemoryType::kCpu, 0, byte_size}};
}

}  // namespace trident
