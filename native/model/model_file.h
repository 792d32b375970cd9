#pragma once

#include <string>

#include "base/status.h"

namespace trident {

// Where the file is that a configuration names relative to `directory`. INVALID_ARG for a name that
// is absolute or leads out of it. Links inside are followed: model stores are made of them.
Result<std::string> PathInside(const std::string& directory, const std::string& name);

// The bytes of a regular file of at most `limit` bytes.
Result<std::string> ReadWholeFile(const std::string& path, uint64_t limit);

}  // namespace trident
