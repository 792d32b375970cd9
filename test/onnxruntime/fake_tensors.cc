// Tensors in the memory of devices.

#include <cstring>

#include "fake_cuda.h"
#include "fake_parts.h"

extern "C" int cuMemFree_v2(uint64_t pointer);

namespace trident::ort {
namespace {

// The host's memory stands for that of a device, so that the real library can use it.
OrtStatus* CreateMemoryInfo(const char* name, OrtAllocatorType type, int id, OrtMemoryUse use,
                            OrtMemoryInfo** memory) {
  if (strcmp(name, "Cuda") != 0) return fake.real.CreateMemoryInfo(name, type, id, use, memory);
  if (OrtStatus* status = fake.real.CreateCpuMemoryInfo(kOrtDeviceAllocator, 0, memory))
    return status;
  const std::lock_guard lock(fake.mutex);
  fake.memories.insert(*memory);
  return nullptr;
}

void ReleaseMemoryInfo(OrtMemoryInfo* memory) {
  {
    const std::lock_guard lock(fake.mutex);
    fake.memories.erase(memory);
  }
  fake.real.ReleaseMemoryInfo(memory);
}

OrtStatus* MemoryInfoGetName(const OrtMemoryInfo* memory, const char** name) {
  const std::lock_guard lock(fake.mutex);
  if (!fake.memories.contains(memory)) return fake.real.MemoryInfoGetName(memory, name);
  *name = "Cuda";
  return nullptr;
}

OrtStatus* CreateTensor(const OrtMemoryInfo* memory, void* data, size_t bytes, const int64_t* shape,
                        size_t dims_count, OrtElementType type, OrtValue** value) {
  const std::lock_guard lock(fake.mutex);
  const auto address = reinterpret_cast<uint64_t>(data);
  void* const alias = FakeCudaHostAlias(address);
  const bool on_device = fake.memories.contains(memory);
  if (on_device != (alias != nullptr)) {
    return fake.Refuse(on_device ? "memory of the host is said to be a device's"
                                 : "memory of a device is said to be the host's");
  }
  OrtStatus* status = fake.real.CreateTensorWithDataAsOrtValue(
      memory, on_device ? alias : data, bytes, shape, dims_count, type, value);
  if (status == nullptr && on_device) fake.addresses[*value] = address;
  return status;
}

OrtStatus* GetTensorMutableData(OrtValue* value, void** data) {
  const std::lock_guard lock(fake.mutex);
  const auto on_device = fake.addresses.find(value);
  if (on_device == fake.addresses.end()) return fake.real.GetTensorMutableData(value, data);
  *data = reinterpret_cast<void*>(on_device->second);
  return nullptr;
}

void ReleaseValue(OrtValue* value) {
  {
    const std::lock_guard lock(fake.mutex);
    const auto on_device = fake.addresses.find(value);
    if (on_device != fake.addresses.end()) {
      if (fake.allocations.erase(on_device->second) > 0) cuMemFree_v2(on_device->second);
      fake.addresses.erase(on_device);
    }
  }
  fake.real.ReleaseValue(value);
}

}  // namespace

void ReplaceTensors(void** table) {
  Replace(table, kCreateMemoryInfo, CreateMemoryInfo);
  Replace(table, kReleaseMemoryInfo, ReleaseMemoryInfo);
  Replace(table, kMemoryInfoGetName, MemoryInfoGetName);
  Replace(table, kCreateTensorWithDataAsOrtValue, CreateTensor);
  Replace(table, kGetTensorMutableData, GetTensorMutableData);
  Replace(table, kReleaseValue, ReleaseValue);
}

}  // namespace trident::ort
