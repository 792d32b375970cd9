// TRITONBACKEND_Backend, its attributes and its memory manager.

#include <cstdlib>

#include "capi/handles.h"
#include "inference/copy_buffer.h"
#include "model/backend.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

// The C enumeration numbers CPU and GPU the other way round than config.pbtxt.
Result<InstanceGroupKind> ToConfigKind(const TRITONSERVER_InstanceGroupKind& kind) {
  switch (ReadEnum<int>(kind)) {
    case TRITONSERVER_INSTANCEGROUPKIND_AUTO:
      return InstanceGroupKind::kAuto;
    case TRITONSERVER_INSTANCEGROUPKIND_CPU:
      return InstanceGroupKind::kCpu;
    case TRITONSERVER_INSTANCEGROUPKIND_GPU:
      return InstanceGroupKind::kGpu;
    case TRITONSERVER_INSTANCEGROUPKIND_MODEL:
      return InstanceGroupKind::kModel;
  }
  return InvalidArg("unknown instance group kind '", ReadEnum<int>(kind), "'");
}

// Null for memory that is in no pool.
Result<MemoryPool*> PoolOf(TRITONBACKEND_MemoryManager* manager,
                           const TRITONSERVER_MemoryType& memory_type, int64_t memory_type_id) {
  const auto type = ReadEnum<MemoryType>(memory_type);
  if (type == MemoryType::kCpu) return nullptr;
  if (manager == nullptr) {
    return InvalidArg("memory of type ", MemoryTypeName(type), " needs a memory manager");
  }
  return PoolFor(type, memory_type_id, *Core(manager));
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_BackendName(TRITONBACKEND_Backend* backend, const char** name) {
  TRIDENT_REQUIRE(backend, name);
  *name = Core(backend)->name().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendConfig(TRITONBACKEND_Backend* backend,
                                                TRITONSERVER_Message** backend_config) {
  TRIDENT_REQUIRE(backend, backend_config);
  *backend_config = HandleOf<TRITONSERVER_Message>(&Core(backend)->config_json());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendExecutionPolicy(TRITONBACKEND_Backend* backend,
                                                         TRITONBACKEND_ExecutionPolicy* policy) {
  TRIDENT_REQUIRE(backend, policy);
  *policy = Core(backend)->execution_policy;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendSetExecutionPolicy(TRITONBACKEND_Backend* backend,
                                                            TRITONBACKEND_ExecutionPolicy policy) {
  TRIDENT_REQUIRE(backend);
  return Guard([&] {
    const int number = ReadEnum<int>(policy);
    if (number < TRITONBACKEND_EXECUTION_BLOCKING ||
        number > TRITONBACKEND_EXECUTION_DEVICE_BLOCKING) {
      return InvalidArg("unknown execution policy '", number, "'");
    }
    Core(backend)->execution_policy = policy;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_BackendArtifacts(TRITONBACKEND_Backend* backend,
                                                   TRITONBACKEND_ArtifactType* artifact_type,
                                                   const char** location) {
  TRIDENT_REQUIRE(backend, artifact_type, location);
  *artifact_type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  *location = Core(backend)->directory().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendMemoryManager(TRITONBACKEND_Backend* backend,
                                                       TRITONBACKEND_MemoryManager** manager) {
  TRIDENT_REQUIRE(backend, manager);
  *manager = HandleOf<TRITONBACKEND_MemoryManager>(Core(backend)->pools().get());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendState(TRITONBACKEND_Backend* backend, void** state) {
  TRIDENT_REQUIRE(backend, state);
  *state = Core(backend)->state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_BackendSetState(TRITONBACKEND_Backend* backend, void* state) {
  TRIDENT_REQUIRE(backend);
  Core(backend)->state = state;
  return nullptr;
}

// Attributes --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
    TRITONBACKEND_BackendAttribute* backend_attributes, TRITONSERVER_InstanceGroupKind kind,
    uint64_t count, const uint64_t* device_ids, uint64_t id_count) {
  TRIDENT_REQUIRE(backend_attributes);
  return Guard([&] {
    InstanceGroup group;
    TRIDENT_ASSIGN_OR_RETURN(group.kind, ToConfigKind(kind));
    if (count > INT32_MAX) return InvalidArg("instance count ", count, " is too large");
    group.count = static_cast<int32_t>(count);
    for (uint64_t i = 0; device_ids != nullptr && i < id_count; ++i) {
      group.gpus.push_back(static_cast<int32_t>(device_ids[i]));
    }
    Core(backend_attributes)->preferred_groups.push_back(std::move(group));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(
    TRITONBACKEND_BackendAttribute* backend_attributes, bool enabled) {
  TRIDENT_REQUIRE(backend_attributes);
  Core(backend_attributes)->parallel_instance_loading = enabled;
  return nullptr;
}

// Memory manager ----------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_MemoryManagerAllocate(TRITONBACKEND_MemoryManager* manager,
                                                        void** buffer,
                                                        TRITONSERVER_MemoryType memory_type,
                                                        int64_t memory_type_id,
                                                        uint64_t byte_size) {
  TRIDENT_REQUIRE(buffer);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(MemoryPool* const pool, PoolOf(manager, memory_type, memory_type_id));
    if (pool != nullptr) {
      TRIDENT_ASSIGN_OR_RETURN(*buffer, pool->Allocate(byte_size));
      return Status::Ok();
    }
    *buffer = malloc(byte_size);
    if (*buffer == nullptr && byte_size > 0) {
      return Unavailable("no memory for a buffer of ", byte_size, " bytes");
    }
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_MemoryManagerFree(TRITONBACKEND_MemoryManager* manager,
                                                    void* buffer,
                                                    TRITONSERVER_MemoryType memory_type,
                                                    int64_t memory_type_id) {
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(MemoryPool* const pool, PoolOf(manager, memory_type, memory_type_id));
    if (pool != nullptr) return pool->Free(buffer);
    free(buffer);
    return Status::Ok();
  });
}

}  // extern "C"
