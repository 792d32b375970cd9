// The names of the enumerations' values.

#include "base/datatype.h"
#include "capi/handles.h"
#include "inference/buffer.h"
#include "inference/parameter.h"
#include "repository/agent_model.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

static_assert(static_cast<int>(DataType::kBf16) == TRITONSERVER_TYPE_BF16);
static_assert(static_cast<int>(MemoryType::kGpu) == TRITONSERVER_MEMORY_GPU);
static_assert(static_cast<int>(ParameterType::kBytes) == TRITONSERVER_PARAMETER_BYTES);
static_assert(static_cast<int>(StatusCode::kCancelled) == TRITONSERVER_ERROR_CANCELLED);

extern "C" {

const char* TRITONSERVER_DataTypeString(TRITONSERVER_DataType datatype) {
  return DataTypeName(ReadEnum<DataType>(datatype));
}

TRITONSERVER_DataType TRITONSERVER_StringToDataType(const char* dtype) {
  return static_cast<TRITONSERVER_DataType>(dtype == nullptr ? DataType::kInvalid
                                                             : DataTypeFromName(dtype));
}

uint32_t TRITONSERVER_DataTypeByteSize(TRITONSERVER_DataType datatype) {
  return DataTypeByteSize(ReadEnum<DataType>(datatype));
}

const char* TRITONSERVER_MemoryTypeString(TRITONSERVER_MemoryType memtype) {
  return MemoryTypeName(ReadEnum<MemoryType>(memtype));
}

const char* TRITONSERVER_ParameterTypeString(TRITONSERVER_ParameterType paramtype) {
  return ParameterTypeName(ReadEnum<ParameterType>(paramtype));
}

const char* TRITONSERVER_InstanceGroupKindString(TRITONSERVER_InstanceGroupKind kind) {
  switch (ReadEnum<int>(kind)) {
    case TRITONSERVER_INSTANCEGROUPKIND_AUTO:
      return "AUTO";
    case TRITONSERVER_INSTANCEGROUPKIND_CPU:
      return "CPU";
    case TRITONSERVER_INSTANCEGROUPKIND_GPU:
      return "GPU";
    case TRITONSERVER_INSTANCEGROUPKIND_MODEL:
      return "MODEL";
  }
  return "<invalid>";
}

const char* TRITONREPOAGENT_ActionTypeString(TRITONREPOAGENT_ActionType type) {
  return AgentActionName(ReadEnum<int>(type));
}

const char* TRITONREPOAGENT_ArtifactTypeString(TRITONREPOAGENT_ArtifactType type) {
  switch (ReadEnum<int>(type)) {
    case TRITONREPOAGENT_ARTIFACT_FILESYSTEM:
      return "TRITONREPOAGENT_ARTIFACT_FILESYSTEM";
    case TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM:
      return "TRITONREPOAGENT_ARTIFACT_REMOTE_FILESYSTEM";
  }
  return "<invalid>";
}

}  // extern "C"
