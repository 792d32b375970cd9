#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/status.h"
#include "config/model_config.h"

namespace trident {

// Pure rules of the repository: they look at names and numbers, never at a disk.

// Which of the versions on disk a model serves.
std::set<int64_t> VersionsToServe(const ModelVersionPolicy& policy,
                                  const std::set<int64_t>& available);

// A version directory's number, or why the directory is none. Numbers are positive and written
// without leading zeros.
enum class DirectoryKind { kVersion, kReserved, kForeign };
DirectoryKind ClassifyDirectory(const std::string& name, int64_t* version);

// INVALID_ARG for a model name that could leave its repository or upset a log: empty, with a
// separator or a control character, beginning with a dot, or longer than 255 bytes.
Status CheckModelName(const std::string& name);

// INVALID_ARG for the configuration of a model without files that needs some.
Status CheckNeedsNoFiles(const ModelConfig& config);

// INVALID_ARG unless `path` is relative and stays below where it starts.
Status CheckRelativePath(const std::string& path);

}  // namespace trident
