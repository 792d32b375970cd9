// What is loaded and unloaded, as far as the model control mode lets it.

#include "server/management_call.h"

namespace trident {

Status Server::CheckExplicit() const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  if (options_.control_mode == ModelControlMode::kExplicit) return Status::Ok();
  return Unavailable(
      "explicit model load / unload is not allowed if polling is enabled: it needs model control "
      "mode EXPLICIT");
}

// What is provided comes from nowhere that the mode could speak of.
Status Server::CheckMayUnload(const std::string& name) const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  return repository_.IsProvided(name) ? Status::Ok() : CheckExplicit();
}

Status Server::LoadModel(const std::string& name, const std::vector<Parameter>& parameters) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckExplicit());
  return repository_.Load(name, parameters);
}

Status Server::LoadProvidedModel(const std::string& name, const std::string& config) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  const bool with_steps = options_.control_mode == ModelControlMode::kExplicit;
  return repository_.LoadProvided(name, {.config = config}, with_steps);
}

Status Server::LoadHostedModel(const std::string& name, const ProvidedModel& model) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  if (!options_.batch_host) {
    return Unsupported("the server has no batch host: it loads models of its repositories");
  }
  if (model.version < 1) return InvalidArg("version ", model.version, " of model '", name, "'");
  const Status loaded = repository_.LoadProvided(name, model, false);
  if (loaded.ok()) return loaded;
  // What failed, and no more: whose load it was the host says.
  TRIDENT_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows, repository_.Index(false));
  for (const IndexRow& row : rows) {
    if (row.model.name == name && !row.reason.empty()) return {loaded.code(), row.reason};
  }
  return loaded;
}

Status Server::UnloadModel(const std::string& name, bool dependents) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckMayUnload(name));
  return repository_.Unload(name, dependents).status();
}

Status Server::UnloadModelAndWait(const std::string& name, bool dependents, uint64_t timeout_ms) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckMayUnload(name));
  TRIDENT_ASSIGN_OR_RETURN(const ModelSet unloaded, repository_.Unload(name, dependents));
  return repository_.WaitUnloaded(unloaded, DeadlineIn(timeout_ms));
}

Status Server::PollRepository() {
  const ManagementCall call(this);
  if (!CheckReady().ok()) return Status::Ok();
  if (options_.control_mode != ModelControlMode::kPoll) return Unavailable("polling is disabled");
  return repository_.Poll();
}

Status Server::RegisterRepository(const std::string& path,
                                  const std::map<std::string, std::string>& mapping) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  if (options_.control_mode != ModelControlMode::kExplicit) {
    return Unsupported(
        "repository registration is not allowed if model control mode is not EXPLICIT");
  }
  return locations_.Register(path, mapping);
}

Status Server::UnregisterRepository(const std::string& path) {
  const ManagementCall call(this);
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  if (options_.control_mode != ModelControlMode::kExplicit) {
    return Unsupported(
        "repository unregistration is not allowed if model control mode is not EXPLICIT");
  }
  return locations_.Unregister(path);
}

}  // namespace trident
