#include "memory/cuda_memory.h"

#include <cstring>
#include <utility>

#include "base/checked.h"
#include "memory/cuda_ledger.h"

namespace trident {
namespace {

Status CheckNotEmpty(uint64_t byte_size) {
  return byte_size > 0 ? Status::Ok() : InvalidArg("0 bytes of device memory is no possible size");
}

Status CheckRange(uint64_t available, uint64_t offset, uint64_t byte_size) {
  uint64_t end = 0;
  if (CheckedAdd(offset, byte_size, &end) && end <= available) return Status::Ok();
  return InvalidArg(byte_size, " bytes at offset ", offset, " are not inside the ", available,
                    " bytes of the device memory");
}

}  // namespace

Result<CudaMemory> CudaMemory::Allocate(int64_t device_id, uint64_t byte_size,
                                        CudaRecycler* recycler) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  TRIDENT_RETURN_IF_ERROR(CheckNotEmpty(byte_size));
  TRIDENT_ASSIGN_OR_RETURN(auto memory, CudaLedger::Get().Allocate(device, byte_size, recycler));
  return Of(CudaLedger::Get().Adopt(std::move(memory)), byte_size);
}

Result<CudaMemory> CudaMemory::Open(std::span<const uint8_t> handle, int64_t device_id,
                                    uint64_t offset, uint64_t byte_size) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  cuda::IpcHandle bytes{};
  if (handle.size() != sizeof(bytes)) {
    return InvalidArg("a CUDA memory handle has ", sizeof(bytes), " bytes, not ", handle.size());
  }
  std::memcpy(bytes.bytes, handle.data(), sizeof(bytes));
  TRIDENT_ASSIGN_OR_RETURN(std::shared_ptr<CudaAllocation> allocation,
                           CudaLedger::Get().Open(device, bytes));
  if (allocation->device != device) {
    return InvalidArg("the handle's memory is on device ", allocation->device->id(),
                      ", not on device ", device_id);
  }
  if (byte_size == 0 && offset < allocation->byte_size) byte_size = allocation->byte_size - offset;
  TRIDENT_RETURN_IF_ERROR(CheckRange(allocation->byte_size, offset, byte_size));
  TRIDENT_RETURN_IF_ERROR(CheckNotEmpty(byte_size));
  CudaMemory memory = Of(std::move(allocation), byte_size);
  memory.data_ += offset;
  return memory;
}

Result<CudaMemory> CudaMemory::Wrap(const void* pointer, int64_t device_id, uint64_t byte_size) {
  TRIDENT_ASSIGN_OR_RETURN(cuda::Device* const device, cuda::Device::Find(device_id));
  TRIDENT_RETURN_IF_ERROR(CheckNotEmpty(byte_size));
  CudaLedger::Get().AwaitDisposal(device);  // what is about to be freed the driver still knows
  TRIDENT_ASSIGN_OR_RETURN(const cuda::AddressRange range, cuda::FindRange(device, pointer));
  const uint64_t offset =
      static_cast<const uint8_t*>(pointer) - static_cast<const uint8_t*>(range.base);
  TRIDENT_RETURN_IF_ERROR(CheckRange(range.byte_size, offset, byte_size));
  CudaMemory memory = Of(CudaLedger::Get().Wrap(device, range), byte_size);
  memory.data_ = static_cast<uint8_t*>(range.base) + offset;
  return memory;
}

CudaMemory CudaMemory::Of(std::shared_ptr<CudaAllocation> allocation, uint64_t byte_size) {
  CudaMemory memory;
  memory.data_ = static_cast<uint8_t*>(allocation->data);
  memory.byte_size_ = byte_size;
  memory.allocation_ = std::move(allocation);
  return memory;
}

cuda::Device& CudaMemory::device() const { return *allocation_->device; }

Status CudaMemory::CheckInside(uint64_t offset, uint64_t byte_size) const {
  return CheckRange(byte_size_, offset, byte_size);
}

Result<cuda::IpcHandle> CudaMemory::Export() const { return CudaLedger::Get().Export(allocation_); }

}  // namespace trident
