#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace trident {

// INVALID_ARG unless `name`, which comes from options and configurations, can only name something
// in the directory where it is looked for.
Status CheckPlainName(const std::string& kind, const std::string& name);

// Where `<directory>/<name>/<file>` is, or empty when there is no such file. `name` must be plain.
Result<std::string> FindPluginFile(const std::string& kind, const std::string& directory,
                                   const std::string& name, const std::string& file);

// Where plug-ins of a model's own may lie, in the order in which they are looked for: in its
// version directory and beside it. Nowhere for a model without files.
std::vector<std::string> PluginDirectories(const std::string& model_directory, int64_t version);

}  // namespace trident
