#include "repository/agent.h"

#include "base/dynamic_library.h"
#include "model/plugin_file.h"
#include "model/plugin_status.h"

namespace trident {

Result<std::shared_ptr<Agent>> Agent::Load(const std::string& name, const std::string& path,
                                           std::shared_ptr<Logger> logger) {
  TRIDENT_ASSIGN_OR_RETURN(const auto library, DynamicLibrary::Open(path));
  AgentEntryPoints entry;
  const auto find = [&](const char* symbol, auto* function) {
    *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(
        library->FindOptional(symbol));
  };
  find("TRITONREPOAGENT_Initialize", &entry.initialize);
  find("TRITONREPOAGENT_Finalize", &entry.finalize);
  find("TRITONREPOAGENT_ModelInitialize", &entry.model_initialize);
  find("TRITONREPOAGENT_ModelFinalize", &entry.model_finalize);
  TRIDENT_ASSIGN_OR_RETURN(void* action, library->Find("TRITONREPOAGENT_ModelAction"));
  entry.model_action = reinterpret_cast<decltype(entry.model_action)>(action);
  return Initialize(name, entry, std::move(logger));
}

Result<std::shared_ptr<Agent>> Agent::Initialize(const std::string& name,
                                                 const AgentEntryPoints& entry_points,
                                                 std::shared_ptr<Logger> logger) {
  std::shared_ptr<Agent> agent(new Agent(name, entry_points, std::move(logger)));
  if (entry_points.initialize != nullptr) {
    TRIDENT_RETURN_IF_ERROR(
        CallPlugin(entry_points.initialize, agent->handle())
            .WithPrefix(StrCat("repository agent '", name, "' failed to initialize: ")));
  }
  agent->initialized_ = true;
  return agent;
}

Agent::~Agent() {
  if (!initialized_ || entry_points_.finalize == nullptr) return;
  const Status status = CallPlugin(entry_points_.finalize, handle());
  if (!status.ok()) {
    TRIDENT_LOG(*logger_, LogLevel::kError, "repository agent '", name_,
                "' failed to finalize: ", status.message());
  }
}

Result<std::shared_ptr<Agent>> AgentManager::Get(const std::string& name) {
  const std::string file = "libtritonrepoagent_" + name + ".so";
  TRIDENT_ASSIGN_OR_RETURN(const std::string path,
                           FindPluginFile("repository agent", directory_, name, file));
  if (path.empty()) {
    return InvalidArg("unable to find '", file, "' for repo agent '", name,
                      "', searched: ", directory_);
  }
  return loaded_.Get(path, [&] { return Agent::Load(name, path, logger_); });
}

}  // namespace trident
