#include "backends/common/memory.h"

#include <algorithm>

namespace trident::backend {
namespace {

// What CUDA's own allocations are aligned to; an empty tensor needs an address, too.
constexpr uint64_t kSmallestBlock = 256;

}  // namespace

Status FromCore(const trident::Status& status) {
  if (status.ok()) return Status();
  return Status(static_cast<TRITONSERVER_Error_Code>(status.code()), status.message());
}

bool IsOneBlock(MemoryPlace place, const char* data, uint64_t byte_size) {
  if (!place.on_device()) return true;
  Result<cuda::Device*> device = cuda::Device::Find(place.type_id);
  if (!device.ok()) return false;
  const Result<cuda::AddressRange> range = cuda::FindRange(*device, data);
  if (!range.ok()) return false;
  const auto before = static_cast<uint64_t>(data - static_cast<const char*>(range->base));
  return byte_size <= range->byte_size - before;
}

Status FindMemoryManager(TRITONBACKEND_ModelInstance* instance,
                         TRITONBACKEND_MemoryManager** manager) {
  TRITONBACKEND_Model* model = nullptr;
  TRITONBACKEND_Backend* backend = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(instance, &model));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelBackend(model, &backend));
  return TRITONBACKEND_BackendMemoryManager(backend, manager);
}

Status PooledMemory::Allocate(TRITONBACKEND_MemoryManager* manager, MemoryPlace place,
                              uint64_t byte_size, std::unique_ptr<PooledMemory>* memory) {
  void* data = nullptr;
  BACKEND_RETURN_IF_ERROR(
      TRITONBACKEND_MemoryManagerAllocate(manager, &data, place.type, place.type_id, byte_size));
  memory->reset(new PooledMemory(manager, place, static_cast<char*>(data), byte_size));
  return Status();
}

PooledMemory::~PooledMemory() {
  Status ignored(TRITONBACKEND_MemoryManagerFree(manager_, data_, place_.type, place_.type_id));
}

Status DeviceBlock::Ensure(uint64_t byte_size, char** data) {
  const uint64_t wanted = std::max(byte_size, kSmallestBlock);
  if (byte_size_ < wanted) {
    byte_size_ = 0;
    pooled_.reset();
    owned_.reset();
    BACKEND_RETURN_IF_ERROR(Allocate(wanted));
    byte_size_ = wanted;
  }
  *data = data_;
  return Status();
}

Status DeviceBlock::Allocate(uint64_t byte_size) {
  if (PooledMemory::Allocate(manager_, OnDevice(device_id_), byte_size, &pooled_).ok()) {
    data_ = pooled_->data();
    return Status();
  }
  Result<cuda::Device*> device = cuda::Device::Find(device_id_);
  if (!device.ok()) return FromCore(device.status());
  auto owned = cuda::DeviceMemory::Allocate(*device, byte_size);
  if (!owned.ok()) return FromCore(owned.status());
  owned_ = std::move(owned).value();
  data_ = static_cast<char*>(owned_->data());
  return Status();
}

}  // namespace trident::backend
