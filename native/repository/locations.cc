#include "repository/locations.h"

#include <filesystem>

#include "repository/scan.h"

namespace trident {
namespace fs = std::filesystem;

Status ModelLocations::Register(const std::string& path,
                                const std::map<std::string, std::string>& mapping) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return InvalidArg("failed to register '", path, "', repository not found");
  }
  std::set<std::string> names;
  for (const auto& [directory, name] : mapping) {
    if (!names.insert(name).second) {
      return InvalidArg("failed to register '", path, "', two directories are mapped to '", name,
                        "'");
    }
  }
  MutexLock lock(mutex_);
  if (paths_.count(path) > 0) {
    return AlreadyExists("model repository '", path, "' has already been registered");
  }
  for (const auto& [directory, name] : mapping) {
    for (const auto& [other_path, other] : mappings_) {
      for (const auto& [other_directory, other_name] : other) {
        if (other_name == name) {
          return AlreadyExists("failed to register '", path,
                               "', there is a conflicting mapping for '", name, "'");
        }
      }
    }
  }
  paths_.insert(path);
  if (!mapping.empty()) mappings_[path] = mapping;
  return Status::Ok();
}

Status ModelLocations::Unregister(const std::string& path) {
  MutexLock lock(mutex_);
  if (paths_.erase(path) == 0) {
    return InvalidArg("failed to unregister '", path, "', repository not found");
  }
  mappings_.erase(path);
  return Status::Ok();
}

Result<ModelLocations::Location> ModelLocations::Find(const std::string& model) const {
  std::map<std::string, bool> found;  // directory -> by mapping
  MutexLock lock(mutex_);
  for (const std::string& path : paths_) {
    std::string directory = model;
    const auto mapping = mappings_.find(path);
    if (mapping != mappings_.end()) {
      // A mapped directory is known by its new name only.
      if (mapping->second.count(model) > 0) directory.clear();
      for (const auto& [from, to] : mapping->second) {
        if (to == model) directory = from;
      }
    }
    std::error_code error;
    const fs::path candidate = fs::path(path) / directory;
    if (directory.empty() || !fs::is_directory(candidate, error)) continue;
    found[candidate.string()] = directory != model;
  }
  if (found.empty()) {
    return Internal("failed to load '", model,
                    "', no model repository has a directory of this name");
  }
  if (found.size() > 1) {
    return InvalidArg("model '", model, "' is in ", found.size(),
                      " repositories; its name must be unique");
  }
  return Location{found.begin()->first, found.begin()->second};
}

Result<std::map<std::string, int>> ModelLocations::All() const {
  std::map<std::string, int> out;
  MutexLock lock(mutex_);
  for (const std::string& path : paths_) {
    TRIDENT_ASSIGN_OR_RETURN(const std::set<std::string> names, SubdirectoriesOf(path));
    const auto mapping = mappings_.find(path);
    for (const std::string& directory : names) {
      std::string name = directory;
      if (mapping != mappings_.end()) {
        const auto renamed = mapping->second.find(directory);
        if (renamed != mapping->second.end()) name = renamed->second;
      }
      ++out[name];
    }
  }
  return out;
}

}  // namespace trident
