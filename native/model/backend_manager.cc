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
  const fs::path candidates[] = {
      fs::path(model_directory) / std::to_string(version),
      fs::path(model_directory),
      fs::path(backend_directory) / config.backend,
  };
  std::string searched;
  for (const fs::path& directory : candidates) {
    std::error_code error;
    const fs::path path = directory / file;
    if (fs::is_regular_file(path, error)) return fs::absolute(path).string();
    searched += (searched.empty() ? "" : ", ") + directory.string();
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
  TRIDENT_ASSIGN_OR_RETURN(const std::string path, FindLibrary(config, options_.backend_directory,
                                                               model_directory, version));
  return loaded_.Get(path, [&] {
    return Backend::Load(config.backend, path, BackendConfigJson(options_, config.backend),
                         options_.pools, logger_);
  });
}

}  // namespace trident
