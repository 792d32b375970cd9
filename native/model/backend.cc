#include "model/backend.h"

#include <filesystem>

#include "model/plugin_status.h"

namespace trident {

Status Backend::FindEntryPoints() {
  const auto find = [&](const char* symbol, auto* out) {
    *out =
        reinterpret_cast<std::remove_reference_t<decltype(*out)>>(library_->FindOptional(symbol));
  };
  find("TRITONBACKEND_Initialize", &entry_points_.initialize);
  find("TRITONBACKEND_Finalize", &entry_points_.finalize);
  find("TRITONBACKEND_GetBackendAttribute", &entry_points_.get_attribute);
  find("TRITONBACKEND_ModelInitialize", &entry_points_.model_initialize);
  find("TRITONBACKEND_ModelFinalize", &entry_points_.model_finalize);
  find("TRITONBACKEND_ModelInstanceInitialize", &entry_points_.instance_initialize);
  find("TRITONBACKEND_ModelInstanceFinalize", &entry_points_.instance_finalize);
  find("TRITONBACKEND_ModelInstanceReady", &entry_points_.instance_ready);
  TRIDENT_ASSIGN_OR_RETURN(void* execute, library_->Find("TRITONBACKEND_ModelInstanceExecute"));
  entry_points_.instance_execute =
      reinterpret_cast<decltype(entry_points_.instance_execute)>(execute);
  return Status::Ok();
}

Backend::Backend(std::string name, std::string config_json, std::shared_ptr<MemoryPools> pools,
                 std::shared_ptr<Logger> logger)
    : name_(std::move(name)),
      config_json_(std::move(config_json)),
      pools_(std::move(pools)),
      logger_(std::move(logger)) {}

Result<std::shared_ptr<Backend>> Backend::Load(const std::string& name,
                                               const std::string& library_path,
                                               std::string config_json,
                                               std::shared_ptr<MemoryPools> pools,
                                               std::shared_ptr<Logger> logger) {
  std::shared_ptr<Backend> backend(
      new Backend(name, std::move(config_json), std::move(pools), std::move(logger)));
  backend->directory_ = std::filesystem::path(library_path).parent_path().string();
  TRIDENT_ASSIGN_OR_RETURN(backend->library_, DynamicLibrary::Open(library_path));
  TRIDENT_RETURN_IF_ERROR(backend->FindEntryPoints());
  TRIDENT_RETURN_IF_ERROR(backend->Initialize());
  return backend;
}

Result<std::shared_ptr<Backend>> Backend::Provide(const std::string& name,
                                                  const ProvidedBackend& provided,
                                                  std::string config_json,
                                                  std::shared_ptr<MemoryPools> pools,
                                                  std::shared_ptr<Logger> logger) {
  std::shared_ptr<Backend> backend(
      new Backend(name, std::move(config_json), std::move(pools), std::move(logger)));
  backend->entry_points_ = provided.entry_points;
  backend->never_blocks_ = provided.never_blocks;
  backend->state = provided.state;
  TRIDENT_RETURN_IF_ERROR(backend->Initialize());
  return backend;
}

Status Backend::Initialize() {
  if (entry_points_.initialize != nullptr) {
    TRIDENT_RETURN_IF_ERROR(
        CallPlugin(entry_points_.initialize, handle())
            .WithPrefix(StrCat("backend '", name_, "' failed to initialize: ")));
  }
  initialized_ = true;
  if (entry_points_.get_attribute != nullptr) {
    // Triton ignores the outcome: attributes are wishes.
    (void)CallPlugin(entry_points_.get_attribute, handle(),
                     reinterpret_cast<TRITONBACKEND_BackendAttribute*>(&attribute_));
  }
  return Status::Ok();
}

Backend::~Backend() {
  if (!initialized_ || entry_points_.finalize == nullptr) return;
  const Status status = CallPlugin(entry_points_.finalize, handle());
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "backend '", name_,
                "' failed to finalize: ", status.message());
  }
}

}  // namespace trident
