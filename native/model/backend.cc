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

Result<std::shared_ptr<Backend>> Backend::Load(const std::string& name,
                                               const std::string& library_path,
                                               std::string config_json,
                                               std::shared_ptr<MemoryPools> pools,
                                               std::shared_ptr<Logger> logger) {
  std::shared_ptr<Backend> backend(new Backend());
  backend->name_ = name;
  backend->directory_ = std::filesystem::path(library_path).parent_path().string();
  backend->config_json_ = std::move(config_json);
  backend->pools_ = std::move(pools);
  backend->logger_ = std::move(logger);
  TRIDENT_ASSIGN_OR_RETURN(backend->library_, DynamicLibrary::Open(library_path));
  TRIDENT_RETURN_IF_ERROR(backend->FindEntryPoints());
  const BackendEntryPoints& entry = backend->entry_points_;
  if (entry.initialize != nullptr) {
    TRIDENT_RETURN_IF_ERROR(CallPlugin(entry.initialize, backend->handle())
                                .WithPrefix(StrCat("backend '", name, "' failed to initialize: ")));
  }
  backend->initialized_ = true;
  if (entry.get_attribute != nullptr) {
    // Triton ignores the outcome: attributes are wishes.
    (void)CallPlugin(entry.get_attribute, backend->handle(),
                     reinterpret_cast<TRITONBACKEND_BackendAttribute*>(&backend->attribute_));
  }
  return backend;
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
