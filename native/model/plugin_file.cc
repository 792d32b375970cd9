#include "model/plugin_file.h"

#include <filesystem>

namespace trident {

namespace fs = std::filesystem;

Status CheckPlainName(const std::string& kind, const std::string& name) {
  const bool plain =
      !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
  return plain ? Status::Ok() : InvalidArg(kind, " name '", name, "' is not a plain name");
}

Result<std::string> FindPluginFile(const std::string& kind, const std::string& directory,
                                   const std::string& name, const std::string& file) {
  TRIDENT_RETURN_IF_ERROR(CheckPlainName(kind, name));
  const fs::path path = fs::path(directory) / name / file;
  std::error_code error;
  return fs::is_regular_file(path, error) ? fs::absolute(path).string() : std::string();
}

std::vector<std::string> PluginDirectories(const std::string& model_directory, int64_t version) {
  if (model_directory.empty()) return {};
  return {model_directory + "/" + std::to_string(version), model_directory};
}

}  // namespace trident
