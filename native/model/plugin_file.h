#pragma once

#include <string>

#include "base/status.h"

namespace trident {

// INVALID_ARG unless `name`, which comes from options and configurations, can only name something
// in the directory where it is looked for.
Status CheckPlainName(const std::string& kind, const std::string& name);

// Where `<directory>/<name>/<file>` is, or empty when there is no such file. `name` must be plain.
Result<std::string> FindPluginFile(const std::string& kind, const std::string& directory,
                                   const std::string& name, const std::string& file);

}  // namespace trident
