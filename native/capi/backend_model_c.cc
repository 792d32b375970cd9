// TRITONBACKEND_Model.

#include "capi/config_version.h"
#include "capi/memory_usage.h"
#include "config/json_format.h"
#include "model/model.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelName(TRITONBACKEND_Model* model, const char** name) {
  TRIDENT_REQUIRE(model, name);
  *name = Core(model)->name().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelVersion(TRITONBACKEND_Model* model, uint64_t* version) {
  TRIDENT_REQUIRE(model, version);
  *version = static_cast<uint64_t>(Core(model)->version());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelRepository(TRITONBACKEND_Model* model,
                                                  TRITONBACKEND_ArtifactType* artifact_type,
                                                  const char** location) {
  TRIDENT_REQUIRE(model, artifact_type, location);
  *artifact_type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  *location = Core(model)->directory().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelConfig(TRITONBACKEND_Model* model, uint32_t config_version,
                                              TRITONSERVER_Message** model_config) {
  TRIDENT_REQUIRE(model, model_config);
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(CheckConfigVersion(config_version));
    *model_config =
        HandleOf<TRITONSERVER_Message>(new std::string(ModelConfigToJson(*Core(model)->config())));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelAutoCompleteConfig(TRITONBACKEND_Model* model,
                                                          bool* auto_complete_config) {
  TRIDENT_REQUIRE(model, auto_complete_config);
  *auto_complete_config = Core(model)->auto_complete();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelSetConfig(TRITONBACKEND_Model* model,
                                                 uint32_t config_version,
                                                 TRITONSERVER_Message* model_config) {
  TRIDENT_REQUIRE(model, model_config);
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(CheckConfigVersion(config_version));
    TRIDENT_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfigJson(*Core(model_config)));
    return Core(model)->SetAutoCompleted(config);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelServer(TRITONBACKEND_Model* model,
                                              TRITONSERVER_Server** server) {
  TRIDENT_REQUIRE(model, server);
  *server = static_cast<TRITONSERVER_Server*>(Core(model)->server());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelBackend(TRITONBACKEND_Model* model,
                                               TRITONBACKEND_Backend** backend) {
  TRIDENT_REQUIRE(model, backend);
  *backend = HandleOf<TRITONBACKEND_Backend>(&Core(model)->backend());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelState(TRITONBACKEND_Model* model, void** state) {
  TRIDENT_REQUIRE(model, state);
  *state = Core(model)->state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelSetState(TRITONBACKEND_Model* model, void* state) {
  TRIDENT_REQUIRE(model);
  Core(model)->state = state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelReportMemoryUsage(TRITONBACKEND_Model* model,
                                                         TRITONSERVER_BufferAttributes** usage,
                                                         uint32_t usage_size) {
  TRIDENT_REQUIRE(model);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(auto rows, ReadMemoryUsage(usage, usage_size));
    Core(model)->ReportMemoryUsage(model, std::move(rows));
    return Status::Ok();
  });
}

}  // extern "C"
