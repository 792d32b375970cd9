#include "inference/cancel_notice.h"

#include <utility>

namespace trident {

void CancelNotice::Set(Function function) {
  MutexLock lock(mutex_);
  function_ = nullptr;
  const std::thread::id self = std::this_thread::get_id();
  while (caller_ != std::thread::id() && caller_ != self) returned_.Wait(mutex_);
  function_ = std::move(function);
}

bool CancelNotice::Call(InferenceRequest* request) {
  MutexLock lock(mutex_);
  if (function_ == nullptr || caller_ != std::thread::id()) return false;
  caller_ = std::this_thread::get_id();
  // One function may set another.
  while (const Function function = std::exchange(function_, nullptr)) {
    mutex_.Unlock();
    function(request);
    mutex_.Lock();
  }
  caller_ = std::thread::id();
  returned_.NotifyAll();
  return true;
}

}  // namespace trident
