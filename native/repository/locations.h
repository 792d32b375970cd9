#pragma once

#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/status.h"

namespace trident {

// Where models may lie: the repositories of a server and the names their directories are mapped to.
// Thread-safe.
class ModelLocations {
 public:
  explicit ModelLocations(const std::set<std::string>& paths) : paths_(paths) {}

  // `mapping`: directory name -> model name. NOT found, registered twice, or a name mapped twice
  // are errors as in Triton.
  Status Register(const std::string& path, const std::map<std::string, std::string>& mapping);
  Status Unregister(const std::string& path);

  struct Location {
    std::string directory;
    bool mapped = false;  // the model's name comes from a mapping, not from the directory
  };
  // Where a model lies. INTERNAL when no repository has it; INVALID_ARG when several do.
  Result<Location> Find(const std::string& model) const;
  // Every model on disk, by name, and in how many repositories it was seen.
  Result<std::map<std::string, int>> All() const;

 private:
  mutable Mutex mutex_;
  std::set<std::string> paths_ GUARDED_BY(mutex_);
  // By repository: directory name -> model name.
  std::map<std::string, std::map<std::string, std::string>> mappings_ GUARDED_BY(mutex_);
};

}  // namespace trident
