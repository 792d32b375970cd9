#pragma once

#include <node_api.h>

#include <cstdint>
#include <map>
#include <memory>

#include "base/status.h"

namespace trident {

// Keeps what a view shows. Its buffer's memory is not to go before the buffer does.
struct FunctionView {
  std::shared_ptr<void> keeper;
};

// An input as JS sees it.
struct FunctionInput {
  const uint8_t* data = nullptr;
  uint64_t byte_size = 0;
  uint64_t checksum = 0;
  std::shared_ptr<FunctionView> view;  // null: JS has a copy
};

/* Inputs of functions as ArrayBuffers. Large ones are views of the memory they lie in, as long as
 * their execution lasts: taken back, they are empty. Others, and all where the runtime has no views
 * or a function has carried one off, are copies. JS thread only. */
class FunctionViews {
 public:
  explicit FunctionViews(napi_env env) : env_(env) {}
  FunctionViews(const FunctionViews&) = delete;
  FunctionViews& operator=(const FunctionViews&) = delete;

  napi_env env() const { return env_; }

  // `keeper` keeps `data`, which is memory of the host. UNAVAILABLE when memory is short.
  Result<napi_value> Give(const uint8_t* data, uint64_t byte_size, std::shared_ptr<void> keeper,
                          FunctionInput* input);
  // An ArrayBuffer of `byte_size` bytes, for a caller who gathers them; then Note.
  Result<napi_value> GiveEmpty(uint64_t byte_size, uint8_t** data);
  void Note(const uint8_t* data, uint64_t byte_size, FunctionInput* input) const;

  // Whether `buffer` still has what Give gave.
  enum class Found { kSame, kChanged, kCarriedOff };
  Found Look(napi_value buffer, const FunctionInput& input) const;
  // Makes a view empty. What has been carried off is kept until the runtime frees it.
  void TakeBack(napi_value buffer, FunctionInput* input);

  // JS has ended: it reaches no view any more, and none of it may be touched. Each is forgotten.
  void SetUnreachable() { unreachable_ = true; }
  bool unreachable() const { return unreachable_; }
  void Forget(FunctionInput* input);

  // Executions that JS is at.
  void Began() { ++under_way_; }
  void Ended() { --under_way_; }
  int under_way() const { return under_way_; }

  // What keeps the memory of the view that `data` is in; null when it is in none.
  std::shared_ptr<void> KeeperOf(const void* data) const;

 private:
  Result<napi_value> NewView(const uint8_t* data, uint64_t byte_size, std::shared_ptr<void> keeper,
                             FunctionInput* input);

  void Drop(FunctionInput* input);

  const napi_env env_;
  bool allowed_ = true;
  bool unreachable_ = false;
  int under_way_ = 0;
  std::multimap<const uint8_t*, FunctionInput> given_;  // views, by where they begin
};

// A buffer over memory that `keeper` keeps. UNSUPPORTED where the runtime refuses such buffers.
Result<napi_value> NewExternalBuffer(napi_env env, void* data, size_t byte_size,
                                     std::shared_ptr<void> keeper);

}  // namespace trident
