#include "memory/allowed_keys.h"

#include <algorithm>

#include "memory/shared_memory.h"

namespace trident {

Result<AllowedKeys> AllowedKeys::Parse(const std::vector<std::string>& patterns) {
  AllowedKeys allowed;
  for (const std::string& pattern : patterns) {
    const std::string name = NormaliseSharedMemoryKey(pattern);
    const size_t star = name.find('*');
    if (name.empty() || (star != std::string::npos && star + 1 != name.size())) {
      return InvalidArg("allowed shared memory key '", pattern,
                        "': expected a key, or a prefix that ends with '*'");
    }
    if (star == std::string::npos) {
      allowed.exact_.push_back(name);
    } else {
      allowed.prefixes_.push_back(name.substr(0, star));
    }
  }
  return allowed;
}

bool AllowedKeys::Allows(const std::string& key) const {
  const std::string name = NormaliseSharedMemoryKey(key);
  const auto starts = [&name](const std::string& prefix) { return name.starts_with(prefix); };
  return std::find(exact_.begin(), exact_.end(), name) != exact_.end() ||
         std::any_of(prefixes_.begin(), prefixes_.end(), starts) || SharedMemoryCreatedHere(key);
}

}  // namespace trident
