#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "model/model_identity.h"

namespace trident {

// Where models may lie: the repositories of a server and the names their directories are mapped to.
// With namespacing, models of one name in several repositories are different models; without, their
// name must be unique. Thread-safe.
class ModelLocations {
 public:
  explicit ModelLocations(const std::set<std::string>& paths, bool namespacing = false)
      : namespacing_(namespacing), paths_(paths) {}

  // `mapping`: directory name -> model name. Not found, registered twice, or a name mapped twice
  // are errors as in Triton.
  Status Register(const std::string& path, const std::map<std::string, std::string>& mapping);
  Status Unregister(const std::string& path);

  struct Location {
    std::string directory;
    bool mapped = false;  // the model's name comes from a mapping, not from the directory
  };
  // Where a model lies. INTERNAL when no repository has it; INVALID_ARG when several do.
  Result<Location> Find(const ModelIdentity& model) const;
  // The models of that name on disk. `name` may be "namespace::name".
  std::set<ModelIdentity> Named(const std::string& name) const;
  // Every model on disk, and in how many repositories it was seen.
  Result<std::map<ModelIdentity, int>> All() const;
  // What `text` says when it is "namespace::name" of a repository here; without one, the name only.
  ModelIdentity Parse(const std::string& text) const;

  bool namespacing() const { return namespacing_; }

 private:
  using Mapping = std::map<std::string, std::string>;  // directory name -> model name

  // The directory of `model` in the repository at `path`; empty when it has none.
  std::string DirectoryIn(const std::string& path, const std::string& model) const REQUIRES(mutex_);

  const bool namespacing_;
  mutable Mutex mutex_;
  std::set<std::string> paths_ GUARDED_BY(mutex_);
  std::map<std::string, Mapping> mappings_ GUARDED_BY(mutex_);  // by repository
};

}  // namespace trident
