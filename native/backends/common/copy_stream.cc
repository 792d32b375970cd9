#include "backends/common/copy_stream.h"

#include <algorithm>
#include <cstring>

namespace trident::backend {
namespace {

constexpr MemoryPlace kPinned{TRITONSERVER_MEMORY_CPU_PINNED, 0};
constexpr uint64_t kSmallestStaging = 4096;

cuda::Place ToCuda(MemoryPlace place) {
  return place.on_device() ? cuda::Place{static_cast<int>(place.type_id)} : cuda::Place();
}

}  // namespace

char* StagingBlock::Take(uint64_t byte_size) {
  if (blocks_.empty() || blocks_.back()->byte_size() - used_ < byte_size) {
    const uint64_t enough = std::max(byte_size, kSmallestStaging);
    if (!Grow(std::max(enough, wanted_)) && !Grow(enough)) return nullptr;
  }
  char* const taken = blocks_.back()->data() + used_;
  used_ += byte_size;
  return taken;
}

bool StagingBlock::Grow(uint64_t byte_size) {
  std::unique_ptr<PooledMemory> block;
  if (!PooledMemory::Allocate(manager_, kPinned, byte_size, &block).ok()) return false;
  blocks_.push_back(std::move(block));
  used_ = 0;
  return true;
}

void StagingBlock::Clear() {
  used_ = 0;
  if (blocks_.size() < 2) return;
  wanted_ = 0;
  for (const auto& block : blocks_) wanted_ += block->byte_size();
  blocks_.clear();
}

Status CopyStream::Create(cuda::Device* device, TRITONBACKEND_MemoryManager* manager,
                          PinnedStaging staging, std::unique_ptr<CopyStream>* stream) {
  Result<std::unique_ptr<cuda::Stream>> created = cuda::Stream::Create(device);
  if (!created.ok()) return FromCore(created.status());
  stream->reset(new CopyStream(std::move(created).value(), manager, staging));
  return Status();
}

Status CopyStream::Copy(char* to, MemoryPlace to_place, const char* from, MemoryPlace from_place,
                        uint64_t byte_size) {
  if (byte_size == 0) return Status();
  if (through_.to_device && from_place.type == TRITONSERVER_MEMORY_CPU) {
    if (char* const staged = staging_.Take(byte_size)) {
      memcpy(staged, from, byte_size);
      return Stage({to, to_place, staged, byte_size, true});
    }
  } else if (through_.from_device && to_place.type == TRITONSERVER_MEMORY_CPU) {
    if (char* const staged = staging_.Take(byte_size)) {
      deliveries_.push_back({to, staged, byte_size});
      // A transfer only reads what it copies from.
      return Stage({const_cast<char*>(from), from_place, staged, byte_size, false});
    }
  }
  BACKEND_RETURN_IF_ERROR(Flush());
  return CopyNow(to, to_place, from, from_place, byte_size);
}

Status CopyStream::Stage(const Transfer& transfer) {
  if (open_.byte_size > 0 && open_.to_device == transfer.to_device &&
      open_.place == transfer.place && open_.on_device + open_.byte_size == transfer.on_device &&
      open_.staged + open_.byte_size == transfer.staged &&
      IsOneBlock(open_.place, open_.on_device, open_.byte_size + transfer.byte_size)) {
    open_.byte_size += transfer.byte_size;
    return Status();
  }
  BACKEND_RETURN_IF_ERROR(Flush());
  open_ = transfer;
  return Status();
}

Status CopyStream::Submit() {
  working_ = true;
  return Flush();
}

Status CopyStream::Flush() {
  if (open_.byte_size == 0) return Status();
  const Transfer next = std::exchange(open_, Transfer());
  Status started = next.to_device
                       ? CopyNow(next.on_device, next.place, next.staged, kPinned, next.byte_size)
                       : CopyNow(next.staged, kPinned, next.on_device, next.place, next.byte_size);
  if (!started.ok()) broken_ = started.Clone();
  return started;
}

Status CopyStream::CopyNow(char* to, MemoryPlace to_place, const char* from, MemoryPlace from_place,
                           uint64_t byte_size) {
  working_ = true;
  return FromCore(stream_->Copy(to, ToCuda(to_place), from, ToCuda(from_place), byte_size));
}

Status CopyStream::Synchronize() {
  Status ignored = Flush();  // it is in broken_
  Status done = working_ ? FromCore(stream_->Synchronize()) : Status();
  if (!broken_.ok()) done = std::exchange(broken_, Status());
  if (done.ok()) {
    for (const Delivery& next : deliveries_) memcpy(next.to, next.staged, next.byte_size);
  }
  deliveries_.clear();
  staging_.Clear();
  working_ = false;
  return done;
}

}  // namespace trident::backend
