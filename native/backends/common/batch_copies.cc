#include "backends/common/batch_copies.h"

#include <cstring>

namespace trident::backend {
namespace {

bool IsEnabled(const ModelConfig& config, const char* member) {
  const Json* const optimization = config.json.Find("optimization");
  const Json* const pinned = optimization == nullptr ? nullptr : optimization->Find(member);
  const Json* const enable = pinned == nullptr ? nullptr : pinned->Find("enable");
  bool enabled = true;
  return enable == nullptr || !enable->AsBool(&enabled) || enabled;
}

// The server makes a pool at its first piece, which takes the driver long: not in the first batch.
// Where there is none, each who wants a piece has another way.
void MakePool(TRITONBACKEND_MemoryManager* manager, MemoryPlace place) {
  std::unique_ptr<PooledMemory> piece;
  const Status ignored = PooledMemory::Allocate(manager, place, 1, &piece);
}

}  // namespace

Status BatchCopies::Create(TRITONBACKEND_ModelInstance* instance, const ModelConfig& config,
                           std::unique_ptr<BatchCopies>* copies) {
  TRITONBACKEND_MemoryManager* manager = nullptr;
  TRITONSERVER_InstanceGroupKind kind;
  BACKEND_RETURN_IF_ERROR(FindMemoryManager(instance, &manager));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceKind(instance, &kind));
  const PinnedStaging staging{IsEnabled(config, "input_pinned_memory"),
                              IsEnabled(config, "output_pinned_memory")};
  std::unique_ptr<BatchCopies> created(new BatchCopies(manager, staging));
  if (kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    int32_t device_id = 0;
    CopyStream* own = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceDeviceId(instance, &device_id));
    BACKEND_RETURN_IF_ERROR(created->StreamOf(device_id, &own));
    created->place_ = OnDevice(device_id);
    MakePool(manager, created->place_);
    if (staging.to_device || staging.from_device) {
      MakePool(manager, {TRITONSERVER_MEMORY_CPU_PINNED, 0});
    }
  }
  *copies = std::move(created);
  return Status();
}

Status BatchCopies::Copy(void* to, MemoryPlace to_place, const void* from, MemoryPlace from_place,
                         uint64_t byte_size) {
  if (byte_size == 0) return Status();
  if (!to_place.on_device() || !from_place.on_device()) count_.Add(byte_size);
  if (!to_place.on_device() && !from_place.on_device()) {
    memcpy(to, from, byte_size);
    return Status();
  }
  const bool mine = on_gpu() && (to_place == place_ || from_place == place_);
  const MemoryPlace worker = mine ? place_ : to_place.on_device() ? to_place : from_place;
  CopyStream* stream = nullptr;
  BACKEND_RETURN_IF_ERROR(StreamOf(worker.type_id, &stream));
  return stream->Copy(static_cast<char*>(to), to_place, static_cast<const char*>(from), from_place,
                      byte_size);
}

Status BatchCopies::StreamOf(int64_t device_id, CopyStream** stream) {
  for (const auto& known : streams_) {
    if (known->stream().device().id() != device_id) continue;
    *stream = known.get();
    return Status();
  }
  Result<cuda::Device*> device = cuda::Device::Find(device_id);
  if (!device.ok()) return FromCore(device.status());
  std::unique_ptr<CopyStream> created;
  BACKEND_RETURN_IF_ERROR(CopyStream::Create(*device, manager_, staging_, &created));
  *stream = created.get();
  streams_.push_back(std::move(created));
  return Status();
}

Status BatchCopies::SynchronizeStreams() {
  Status done;
  for (const auto& stream : streams_) {
    Status finished = stream->Synchronize();
    if (done.ok()) done = std::move(finished);
  }
  return done;
}

}  // namespace trident::backend
