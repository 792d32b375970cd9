#pragma once

#include <string>

#include "base/status.h"

namespace trident {

// Where `<directory>/<name>/<file>` is, or empty when there is no such file. INVALID_ARG unless
// `name`, which comes from options and configurations, can only name a directory.
Result<std::string> FindPluginFile(const std::string& kind, const std::string& directory,
                                   const std::string& name, const std::string& file);

}  // namespace trident
