#include "inference/buffer.h"

#include "cuda/device.h"

namespace trident {

Status CheckUnusualBuffer(const void* data, const BufferAttributes& attributes) {
  switch (attributes.memory_type) {
    case MemoryType::kCpu:
    case MemoryType::kCpuPinned:
      break;
    case MemoryType::kGpu: {
      const auto device = cuda::Device::Find(attributes.memory_type_id);
      if (!device.ok()) return device.status().WithPrefix("its data is in GPU memory: ");
      break;
    }
    default:
      return InvalidArg("its data has unknown memory type ",
                        static_cast<int>(attributes.memory_type));
  }
  if (data == nullptr && attributes.byte_size > 0) {
    return InvalidArg("its data is null, of ", attributes.byte_size, " bytes");
  }
  return Status::Ok();
}

}  // namespace trident
