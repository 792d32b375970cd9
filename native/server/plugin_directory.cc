#include "server/plugin_directory.h"

#include <dlfcn.h>

#include <filesystem>

namespace trident {
namespace {

namespace fs = std::filesystem;

fs::path InstalledTree() {
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&PluginDirectory), &here) != 0) {
    std::error_code error;
    const fs::path directory = fs::canonical(here.dli_fname, error).parent_path();
    if (!error && directory.filename() == "lib") return directory.parent_path();
  }
  return "/opt/tritonserver";
}

// Found when this library is loaded: its path may be relative to the directory of that moment.
const fs::path g_tree = InstalledTree();

}  // namespace

std::string PluginDirectory(const char* kind) { return (g_tree / kind).string(); }

}  // namespace trident
