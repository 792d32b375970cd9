#include "base/dynamic_library.h"

#include <dlfcn.h>

namespace trident {

Result<std::unique_ptr<DynamicLibrary>> DynamicLibrary::Open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return NotFound("unable to load shared library: ", reason != nullptr ? reason : path);
  }
  return std::unique_ptr<DynamicLibrary>(new DynamicLibrary(path, handle));
}

Result<void*> DynamicLibrary::Find(const char* symbol) const {
  void* address = FindOptional(symbol);
  if (address == nullptr) {
    return NotFound("unable to find required entrypoint '", symbol, "' in shared library: ", path_);
  }
  return address;
}

void* DynamicLibrary::FindOptional(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace trident
