#pragma once

#include <compare>
#include <string>

namespace trident {

// Which model is meant: its name and, when a server tells repositories apart, the repository it
// came from. A value type.
struct ModelIdentity {
  std::string space;  // the repository's path; empty without namespacing
  std::string name;

  // As users see it: "namespace::name".
  std::string Text() const { return space.empty() ? name : space + "::" + name; }

  auto operator<=>(const ModelIdentity&) const = default;
};

}  // namespace trident
