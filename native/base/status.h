#pragma once

#include <cassert>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace trident {

// Triton's error codes; values equal TRITONSERVER_errorcode_enum. kOk is ours: the C ABI says
// success with a null error.
enum class StatusCode : int {
  kOk = -1,
  kUnknown = 0,
  kInternal = 1,
  kNotFound = 2,
  kInvalidArg = 3,
  kUnavailable = 4,
  kUnsupported = 5,
  kAlreadyExists = 6,
  kCancelled = 7,
};

// The name users see, e.g. "Invalid argument"; the C ABI's ErrorCodeString.
const char* StatusCodeName(StatusCode code);

// The outcome of an operation: success, or a code with a message that says what was being done,
// to which model or input, what was expected and what was found. A value type.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {
    assert(code != StatusCode::kOk);
  }

  static Status Ok() { return Status(); }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same code with `context` before the message.
  Status WithPrefix(const std::string& context) const {
    return ok() ? *this : Status(code_, context + message_);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// Concatenates anything an ostream prints; for messages, never for the hot path.
template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <typename... Parts>
Status Error(StatusCode code, const Parts&... parts) {
  return Status(code, StrCat(parts...));
}
template <typename... Parts>
Status InvalidArg(const Parts&... parts) {
  return Status(StatusCode::kInvalidArg, StrCat(parts...));
}
template <typename... Parts>
Status NotFound(const Parts&... parts) {
  return Status(StatusCode::kNotFound, StrCat(parts...));
}
template <typename... Parts>
Status Internal(const Parts&... parts) {
  return Status(StatusCode::kInternal, StrCat(parts...));
}
template <typename... Parts>
Status Unavailable(const Parts&... parts) {
  return Status(StatusCode::kUnavailable, StrCat(parts...));
}
template <typename... Parts>
Status Unsupported(const Parts&... parts) {
  return Status(StatusCode::kUnsupported, StrCat(parts...));
}
template <typename... Parts>
Status AlreadyExists(const Parts&... parts) {
  return Status(StatusCode::kAlreadyExists, StrCat(parts...));
}

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace trident

#define TRIDENT_RETURN_IF_ERROR(expression)                      \
  do {                                                           \
    ::trident::Status status_of_expression = (expression);       \
    if (!status_of_expression.ok()) return status_of_expression; \
  } while (false)

#define TRIDENT_CONCAT_INNER(a, b) a##b
#define TRIDENT_CONCAT(a, b) TRIDENT_CONCAT_INNER(a, b)
#define TRIDENT_ASSIGN_OR_RETURN(target, expression) \
  TRIDENT_ASSIGN_OR_RETURN_NAMED(TRIDENT_CONCAT(result_, __LINE__), target, expression)
#define TRIDENT_ASSIGN_OR_RETURN_NAMED(result, target, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return result.status();                        \
  target = std::move(result).value()
