#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace trident {

// Which keys may be registered: those this process created, and those its host listed, each one
// exactly or as "prefix*". Immutable after construction.
class AllowedKeys {
 public:
  AllowedKeys() = default;

  // INVALID_ARG for an empty entry or a '*' that is not the last character.
  static Result<AllowedKeys> Parse(const std::vector<std::string>& patterns);

  bool Allows(const std::string& key) const;

 private:
  std::vector<std::string> exact_;
  std::vector<std::string> prefixes_;
};

}  // namespace trident
