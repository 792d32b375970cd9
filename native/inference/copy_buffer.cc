#include "inference/copy_buffer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <vector>

#include "base/mutex.h"
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

// Null when there is none.
std::shared_ptr<MemoryPool> PoolFor(const BufferAttributes& wished,
                                    const std::shared_ptr<MemoryPools>& pools) {
  if (pools == nullptr || wished.memory_type == MemoryType::kCpu) return nullptr;
  if (wished.memory_type == MemoryType::kCpuPinned) return {pools, &pools->pinned()};
  const Result<MemoryPool*> pool = pools->OnDevice(wished.memory_type_id);
  return pool.ok() ? std::shared_ptr<MemoryPool>(pools, *pool) : nullptr;
}

}  // namespace

Status CopyBuffer(void* to, const BufferAttributes& to_place, const void* from,
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

Status CopyBlocks(std::span<const ConstBuffer> blocks, void* to, const BufferAttributes& to_place) {
  auto* end = static_cast<char*>(to);
  for (const ConstBuffer& block : blocks) {
    const uint64_t byte_size = block.attributes.byte_size;
    TRIDENT_RETURN_IF_ERROR(CopyBuffer(end, to_place, block.data, block.attributes, byte_size));
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

Result<OwnedBuffer> AllocateBuffer(uint64_t byte_size, const BufferAttributes& wished,
                                   const std::shared_ptr<MemoryPools>& pools) {
  if (const auto pool = PoolFor(wished, pools); pool != nullptr && byte_size > 0) {
    if (const Result<void*> piece = pool->Allocate(byte_size); piece.ok()) {
      return OwnedBuffer{{*piece, OwnedBufferDeleter{pool}},
                         {wished.memory_type, wished.memory_type_id, byte_size}};
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
