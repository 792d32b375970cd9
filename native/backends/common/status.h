#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>

#include "triton/core/tritonserver.h"

namespace trident::backend {

// The outcome of an operation of a plug-in: success, or a TRITONSERVER_Error that it owns. The
// functions of the API convert to it, and an entry point returns it with release().
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(TRITONSERVER_Error* error) : error_(error) {}  // NOLINT: implicit on purpose
  Status(TRITONSERVER_Error_Code code, const std::string& message)
      : error_(TRITONSERVER_ErrorNew(code, message.c_str())) {}
  Status(Status&& other) noexcept : error_(other.release()) {}
  Status& operator=(Status&& other) noexcept {
    std::swap(error_, other.error_);
    return *this;
  }
  ~Status() {
    if (error_ != nullptr) TRITONSERVER_ErrorDelete(error_);
  }

  bool ok() const { return error_ == nullptr; }
  TRITONSERVER_Error* get() const { return error_; }
  TRITONSERVER_Error* release() { return std::exchange(error_, nullptr); }

  Status Clone() const {
    if (ok()) return Status();
    return Status(
        TRITONSERVER_ErrorNew(TRITONSERVER_ErrorCode(error_), TRITONSERVER_ErrorMessage(error_)));
  }

 private:
  TRITONSERVER_Error* error_ = nullptr;
};

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <typename... Parts>
Status InvalidArg(const Parts&... parts) {
  return Status(TRITONSERVER_ERROR_INVALID_ARG, StrCat(parts...));
}
template <typename... Parts>
Status NotFound(const Parts&... parts) {
  return Status(TRITONSERVER_ERROR_NOT_FOUND, StrCat(parts...));
}
template <typename... Parts>
Status Unsupported(const Parts&... parts) {
  return Status(TRITONSERVER_ERROR_UNSUPPORTED, StrCat(parts...));
}
template <typename... Parts>
Status Internal(const Parts&... parts) {
  return Status(TRITONSERVER_ERROR_INTERNAL, StrCat(parts...));
}

// Runs the body of an entry point: nothing that it throws crosses the C ABI.
template <typename Body>
TRITONSERVER_Error* Guard(Body&& body) noexcept {
  try {
    return body().release();
  } catch (const std::exception& error) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, error.what());
  } catch (...) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "unknown exception in the backend");
  }
}

}  // namespace trident::backend

#define BACKEND_RETURN_IF_ERROR(expression)                      \
  do {                                                           \
    ::trident::backend::Status status_of_expression(expression); \
    if (!status_of_expression.ok()) return status_of_expression; \
  } while (false)
