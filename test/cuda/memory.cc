#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <map>

namespace trident::cuda::fake {
namespace {

// Never destroyed: threads of streams outlive main().
struct Memories {
  Mutex mutex;
  std::map<DevicePointer, std::shared_ptr<FakeMemory>> device GUARDED_BY(mutex);  // by base()
  std::map<uint64_t, std::shared_ptr<FakePinned>> pinned GUARDED_BY(mutex);
};

Memories& All() {
  static Memories* const memories = new Memories;
  return *memories;
}

uint64_t Number(const void* address) { return reinterpret_cast<uint64_t>(address); }

// The entry that begins at or before `address`, when all of the bytes are in it.
template <typename Map>
typename Map::mapped_type Around(const Map& map, uint64_t address, uint64_t bytes) {
  auto next = map.upper_bound(address);
  if (next == map.begin()) return nullptr;
  const auto& [begin, memory] = *--next;
  const uint64_t offset = address - begin;
  const bool inside = offset < memory->byte_size() && bytes <= memory->byte_size() - offset;
  return inside ? memory : nullptr;
}

}  // namespace

std::shared_ptr<FakeMemory> FakeMemory::Map(FakeDevice* device, int file, uint64_t lead,
                                            uint64_t bytes, bool opened) {
  std::shared_ptr<FakeMemory> memory(new FakeMemory(device, file, lead, bytes, opened));
  void* alias = mmap(nullptr, lead + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (alias == MAP_FAILED) return nullptr;
  memory->alias_ = static_cast<char*>(alias);
  // Behind the one before, if it may be: real allocations are often neighbours.
  static std::atomic<uint64_t> next{uint64_t{1} << 45};
  const uint64_t page = sysconf(_SC_PAGESIZE);
  void* const behind =
      reinterpret_cast<void*>(next.fetch_add((lead + bytes + page - 1) / page * page));
  void* reserved = mmap(behind, lead + bytes, PROT_NONE, MAP_SHARED, file, 0);
  if (reserved == MAP_FAILED) return nullptr;
  memory->reserved_ = Number(reserved);
  return memory;
}

FakeMemory::~FakeMemory() {
  if (alias_ != nullptr) munmap(alias_, lead_ + bytes_);
  if (reserved_ != 0) munmap(reinterpret_cast<void*>(reserved_), lead_ + bytes_);
  if (!freed_) close(file_);
}

void FakeMemory::Free() {
  if (!freed_.exchange(true)) close(file_);
}

std::shared_ptr<FakePinned> FakePinned::Map(uint64_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<FakePinned>(new FakePinned(static_cast<char*>(data), bytes));
}

FakePinned::~FakePinned() { munmap(data_, bytes_); }

void Remember(std::shared_ptr<FakeMemory> memory) {
  MutexLock lock(All().mutex);
  const DevicePointer base = memory->base();
  All().device[base] = std::move(memory);
}

void Remember(std::shared_ptr<FakePinned> memory) {
  MutexLock lock(All().mutex);
  const uint64_t begin = Number(memory->data());
  All().pinned[begin] = std::move(memory);
}

std::shared_ptr<FakeMemory> FindMemory(DevicePointer address, uint64_t bytes) {
  MutexLock lock(All().mutex);
  return Around(All().device, address, bytes);
}

std::shared_ptr<FakePinned> FindPinned(const void* address, uint64_t bytes) {
  MutexLock lock(All().mutex);
  return Around(All().pinned, Number(address), bytes);
}

std::shared_ptr<FakeMemory> ForgetMemory(DevicePointer pointer) {
  MutexLock lock(All().mutex);
  std::shared_ptr<FakeMemory> memory = Around(All().device, pointer, 1);
  if (memory == nullptr || memory->pointer() != pointer) return nullptr;
  All().device.erase(memory->base());
  return memory;
}

std::shared_ptr<FakePinned> ForgetPinned(const void* data) {
  MutexLock lock(All().mutex);
  const auto found = All().pinned.find(Number(data));
  if (found == All().pinned.end()) return nullptr;
  std::shared_ptr<FakePinned> memory = found->second;
  All().pinned.erase(found);
  return memory;
}

bool TouchesDevice(const void* address, uint64_t bytes) {
  MutexLock lock(All().mutex);
  const auto next = All().device.lower_bound(Number(address));
  if (next != All().device.end() && next->first - Number(address) < bytes) return true;
  return Around(All().device, Number(address), 1) != nullptr;
}

}  // namespace trident::cuda::fake

void* FakeCudaHostAlias(uint64_t device_pointer) {
  const auto memory = trident::cuda::fake::FindMemory(device_pointer, 1);
  return memory == nullptr ? nullptr : memory->Alias(device_pointer);
}
