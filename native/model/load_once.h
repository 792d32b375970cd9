#pragma once

#include <exception>
#include <future>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/status.h"

namespace trident {

// Plug-ins by the path of their library, or another name of theirs, each loaded on first use and
// kept; one that fails to load is tried again at its next use. Thread-safe.
template <typename Plugin>
class LoadOnce {
 public:
  using Loaded = Result<std::shared_ptr<Plugin>>;

  // `load` runs without a lock, as it calls the plug-in; others who want the same one wait for it.
  template <typename Load>
  Loaded Get(const std::string& path, Load&& load) {
    std::promise<Loaded> promise;
    std::shared_future<Loaded> loading;
    bool load_here = false;
    {
      MutexLock lock(mutex_);
      load_here = loading_.count(path) == 0;
      if (load_here) loading_[path] = promise.get_future().share();
      loading = loading_[path];
    }
    if (load_here) {
      try {
        promise.set_value(load());
      } catch (const std::exception& error) {
        promise.set_value(Unavailable("failed to load '", path, "': ", error.what()));
      } catch (...) {
        promise.set_value(Unavailable("failed to load '", path, "': it threw an exception"));
      }
    }
    Loaded loaded = loading.get();
    if (load_here && !loaded.ok()) {
      MutexLock lock(mutex_);
      loading_.erase(path);
    }
    return loaded;
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::shared_future<Loaded>> loading_ GUARDED_BY(mutex_);
};

}  // namespace trident
