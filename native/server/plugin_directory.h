#pragma once

#include <string>

namespace trident {

// Where plug-ins of a kind ("backends", "caches", ...) lie by default: beside the `lib` of the
// installed tree that this library is in; outside of one, in Triton's /opt/tritonserver.
std::string PluginDirectory(const char* kind);

}  // namespace trident
