#pragma once

namespace trident {

// Marks a thread as being in a callback of a client, for as long as it exists: what comes only
// after that callback must not be waited for in it. One may be within another.
class InCallback {
 public:
  InCallback() { ++depth_; }
  ~InCallback() { --depth_; }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;

  // Whether this thread is in one.
  static bool Now() { return depth_ > 0; }

 private:
  // At a known distance from the thread's pointer, so that a callback costs no call to find it.
  [[gnu::tls_model("initial-exec")]] static inline constinit thread_local int depth_ = 0;
};

}  // namespace trident
