#pragma once

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace trident {

class InferenceRequest;

// What a backend has called when the request that it executes is cancelled. Thread-safe.
class CancelNotice {
 public:
  using Function = std::function<void(InferenceRequest*)>;

  // Instead of the function set before, which nobody is calling any more when this returns, unless
  // it is what calls this. Null: none.
  void Set(Function function);
  // Calls the function, if there is one, which is then set no more. False: there is none, or
  // somebody else is calling it.
  bool Call(InferenceRequest* request);

 private:
  Mutex mutex_;
  CondVar returned_;
  Function function_ GUARDED_BY(mutex_);
  std::thread::id caller_ GUARDED_BY(mutex_);  // who is calling one
};

}  // namespace trident
