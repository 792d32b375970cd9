#include "repository/locations.h"

#include <filesystem>

#include "repository/plan.h"
#include "repository/scan.h"

namespace trident {
namespace fs = std::filesystem;

Status ModelLocations::Register(const std::string& path, const Mapping& mapping) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return InvalidArg("failed to register '", path, "', repository not found");
  }
  std::set<std::string> names;
  for (const auto& [directory, name] : mapping) {
    // One component of a path, like a model's name: nothing outside of the repository.
    TRIDENT_RETURN_IF_ERROR(CheckModelName(directory).WithPrefix(
        StrCat("failed to register '", path, "': directory: ")));
    if (!names.insert(name).second) {
      return InvalidArg("failed to register '", path, "', there is a conflicting mapping for '",
                        name, "': two directories have it");
    }
  }
  MutexLock lock(mutex_);
  if (paths_.count(path) > 0) {
    return AlreadyExists("model repository '", path, "' has already been registered");
  }
  for (const auto& [other_path, other] : mappings_) {
    for (const auto& [other_directory, name] : other) {
      if (names.count(name) == 0) continue;
      return AlreadyExists("failed to register '", path, "', there is a conflicting mapping for '",
                           name, "'");
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

std::string ModelLocations::DirectoryIn(const std::string& path, const std::string& model) const {
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
  return !directory.empty() && fs::is_directory(candidate, error) ? candidate.string() : "";
}

Result<ModelLocations::Location> ModelLocations::Find(const ModelIdentity& model) const {
  std::set<std::string> found;
  MutexLock lock(mutex_);
  for (const std::string& path : paths_) {
    if (namespacing_ && path != model.space) continue;
    const std::string directory = DirectoryIn(path, model.name);
    if (!directory.empty()) found.insert(directory);
  }
  if (found.empty()) {
    return Internal("failed to load '", model.Text(),
                    "', failed to poll from model repository: none has a directory of this name");
  }
  if (found.size() > 1) {
    return InvalidArg("failed to load '", model.Text(), "': it is not unique, ", found.size(),
                      " model repositories have a model of this name");
  }
  const std::string& directory = *found.begin();
  return Location{directory, fs::path(directory).filename() != model.name};
}

std::set<ModelIdentity> ModelLocations::Named(const std::string& name) const {
  const ModelIdentity asked = Parse(name);
  std::set<ModelIdentity> out;
  MutexLock lock(mutex_);
  for (const std::string& path : paths_) {
    if (!asked.space.empty() && asked.space != path) continue;
    if (DirectoryIn(path, asked.name).empty()) continue;
    out.insert({namespacing_ ? path : "", asked.name});
  }
  return out;
}

Result<std::map<ModelIdentity, int>> ModelLocations::All() const {
  std::map<ModelIdentity, int> out;
  MutexLock lock(mutex_);
  for (const std::string& path : paths_) {
    TRIDENT_ASSIGN_OR_RETURN(const std::set<std::string> names, SubdirectoriesOf(path));
    const auto mapping = mappings_.find(path);
    for (const std::string& directory : names) {
      if (directory[0] == '.') continue;  // version control and editors leave such
      std::string name = directory;
      if (mapping != mappings_.end()) {
        const auto renamed = mapping->second.find(directory);
        if (renamed != mapping->second.end()) name = renamed->second;
      }
      ++out[{namespacing_ ? path : "", name}];
    }
  }
  return out;
}

ModelIdentity ModelLocations::Parse(const std::string& text) const {
  if (!namespacing_) return {"", text};
  const size_t colons = text.rfind("::");
  if (colons == std::string::npos) return {"", text};
  return {text.substr(0, colons), text.substr(colons + 2)};
}

}  // namespace trident
