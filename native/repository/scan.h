#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "inference/parameter.h"

namespace trident {

// Numbers that change when a file below a model's directory is added, removed, renamed or modified.
struct Fingerprint {
  uint64_t all = 0;
  // By version: what that version is made of, which is its directory and all that belongs to no
  // version, but for the configuration.
  std::map<int64_t, uint64_t> versions;
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint FingerprintOf(const std::string& directory);

// A model's configuration as it is written.
struct ConfigFile {
  std::string path;
  std::string text;
};
// Of the model in `directory`: configs/<config_name>.pbtxt, if it has that, before config.pbtxt.
Result<std::optional<ConfigFile>> ReadConfigFile(const std::string& directory,
                                                 const std::string& config_name);

// What lies on disk for one model.
struct ModelFiles {
  std::string directory;
  std::set<int64_t> versions;
  std::vector<std::string> first_version_files;  // names, to infer the backend from
  std::optional<ConfigFile> config;
  Fingerprint fingerprint;
};

// Reads a model directory. Directories that are no versions are reported to `logger` and left out.
Result<ModelFiles> ScanModel(const std::string& directory, const std::string& config_name,
                             const Logger& logger);

// Names of the directories below `path`. INTERNAL when it can't be read.
Result<std::set<std::string>> SubdirectoriesOf(const std::string& path);

// A private directory that holds files given as bytes, removed with the object or when the process
// exits. Immutable after construction.
class TemporaryModel {
 public:
  // `files` are load parameters "file:<path inside the model directory>".
  static Result<std::unique_ptr<TemporaryModel>> Create(const std::vector<Parameter>& files);
  ~TemporaryModel();

  const std::string& directory() const { return directory_; }

 private:
  TemporaryModel(std::string directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
  const std::string directory_;
  const int lock_;  // descriptor of the locked directory: somebody uses it
};

}  // namespace trident
