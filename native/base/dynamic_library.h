#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace trident {

// A shared library opened with "resolve now, local scope", as Triton opens plug-ins. Never
// unmapped: a plug-in's threads and static destructors may outlive every handle we hold.
// Immutable after construction.
class DynamicLibrary {
 public:
  // NOT_FOUND with the loader's own message when it can't be opened.
  static Result<std::unique_ptr<DynamicLibrary>> Open(const std::string& path);

  // NOT_FOUND when `symbol` is missing.
  Result<void*> Find(const char* symbol) const;
  // Null when `symbol` is missing: for optional entry points.
  void* FindOptional(const char* symbol) const;

  const std::string& path() const { return path_; }

 private:
  DynamicLibrary(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}

  const std::string path_;
  void* const handle_;
};

}  // namespace trident
