#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/backend.h"
#include "model/plugin_file.h"

namespace trident {
namespace {

namespace fs = std::filesystem;

Result<std::string> FindLibrary(const ModelConfig& config, const std::string& backend_directory,
                                const std::string& model_directory, int64_t version) {
  const std::string file =
      config.runtime.empty() ? "libtriton_" + config.backend + ".so" : config.runtime;
  TRIDENT_RETURN_IF_ERROR(CheckPlainName("backend", config.backend));
  TRIDENT_RETURN_IF_ERROR(CheckPlainName("runtime", file));
  std::vector<std::string> candidates = PluginDirectories(model_directory, version);
  candidates.push_back(backend_directory + "/" + config.backend);
  std::string searched;
  for (const std::string& directory : candidates) {
    std::error_code error;
    const fs::path path = fs::path(directory) / file;
    if (fs::is_regular_file(path, error)) return fs::absolute(path).string();
    searched += (searched.empty() ? "" : ", ") + directory;
  }
  return InvalidArg("unable to find backend library '", file, "' for model '", config.name,
                    "', searched: ", searched);
}

}  // namespace

std::string BackendConfigJson(const BackendManager::Options& options, const std::string& backend) {
  nlohmann::json settings = nlohmann::json::object();
  settings["auto-complete-config"] = options.auto_complete_config ? "true" : "false";
  settings["backend-directory"] = options.backend_directory;
  settings["min-compute-capability"] = std::to_string(options.min_compute_capability);
  settings["default-max-batch-size"] = "4";
  for (const std::string& scope : {std::string(), backend}) {
    const auto found = options.settings.find(scope);
    if (found == options.settings.end()) continue;
    for (const auto& [key, value] : found->second) settings[key] = value;
  }
  // `replace`: a host's string need not be UTF-8, and dump() would throw.
  return nlohmann::json{{"cmdline", settings}}.dump(-1, ' ', false,
                                                    nlohmann::json::error_handler_t::replace);
}

BackendManager::BackendManager(Options options, std::shared_ptr<Logger> logger)
    : options_(std::move(options)), logger_(std::move(logger)) {}

Result<std::shared_ptr<Backend>> BackendManager::Get(const ModelConfig& config,
                                                     const std::string& model_directory,
                                                     int64_t version) {
  if (config.IsIsolated()) return GetIsolated(config.backend);
  const auto provided = options_.provided.find(config.backend);
  if (provided != options_.provided.end()) {
    return loaded_.Get(config.backend, [&] {
      return Backend::Provide(config.backend, provided->second,
                              BackendConfigJson(options_, config.backend), options_.pools, logger_);
    });
  }
  TRIDENT_ASSIGN_OR_RETURN(const std::string path, FindLibrary(config, options_.backend_directory,
                                                               model_directory, version));
  return loaded_.Get(path, [&] {
    return Backend::Load(config.backend, path, BackendConfigJson(options_, config.backend),
                         options_.pools, logger_);
  });
}

// A process of the plug-in's own has libraries, not what is part of this program.
bool BackendManager::HasIsolationHost(const std::string& backend) const {
  for (const std::string& scope : {std::string(), backend}) {
    const auto found = options_.settings.find(scope);
    if (found == options_.settings.end()) continue;
    for (const auto& [key, value] : found->second) {
      if (key == "isolation-host") return true;
    }
  }
  return false;
}

Result<std::shared_ptr<Backend>> BackendManager::GetIsolated(const std::string& backend) {
  TRIDENT_RETURN_IF_ERROR(CheckPlainName("backend", backend));
  if (options_.provided.count(backend) > 0 && !HasIsolationHost(backend)) {
    return InvalidArg("'isolation' \"process\" needs the setting 'isolation-host' of backend '",
                      backend, "', which is part of this program: a program that has it, too");
  }
  TRIDENT_ASSIGN_OR_RETURN(
      const std::string path,
      FindPluginFile("backend", options_.backend_directory, "isolation", "libtriton_isolation.so"));
  if (path.empty()) {
    return InvalidArg("'isolation' needs the plug-in isolation/libtriton_isolation.so in ",
                      options_.backend_directory);
  }
  return isolated_.Get(backend, [&] {
    return Backend::Load(backend, path, BackendConfigJson(options_, backend), options_.pools,
                         logger_);
  });
}

}  // namespace trident
