#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"

namespace trident {

enum class LogLevel : int { kInfo = 0, kWarn = 1, kError = 2, kVerbose = 3 };

struct LogRecord {
  LogLevel level;
  const char* file;
  int line;
  uint64_t timestamp_us;  // wall clock, since the epoch
  const char* message;
};

// Which records a host wants, and how they are headed. Warnings and errors unless it says so: a
// library inside somebody's process stays quiet.
struct LogDetail {
  bool info = false;
  bool warn = true;
  bool error = true;
  int verbose = 0;
  bool iso8601 = false;
};

// That, and where the records go.
struct LogSettings : LogDetail {
  std::string file;                            // appended to; empty: stderr
  std::function<void(const LogRecord&)> sink;  // replaces file and stderr; must be thread-safe
};

// A server's log. In a file or on stderr a record is one of Triton's lines, in UTC, with the
// message as a JSON string: names taken from input can't forge lines. As in Triton, an environment
// with TRITON_SERVER_ESCAPE_LOG_MESSAGES=0 has messages as they are. Thread-safe.
class Logger {
 public:
  explicit Logger(LogSettings settings = {});
  ~Logger();

  // From the next record on.
  void SetDetail(const LogDetail& detail);
  bool IsEnabled(LogLevel level, int verbose_level = 1) const;
  void Log(LogLevel level, const char* file, int line, const std::string& message) const;

  // The logger that TRITONSERVER_LogMessage uses: that ABI call names no server, so it goes to
  // the most recently created one still alive, or to a default one.
  static std::shared_ptr<Logger> Current();
  static void SetCurrent(std::weak_ptr<Logger> logger);

 private:
  const std::function<void(const LogRecord&)> sink_;
  const bool escapes_;
  std::atomic<bool> info_;
  std::atomic<bool> warn_;
  std::atomic<bool> error_;
  std::atomic<int> verbose_;
  std::atomic<bool> iso8601_;
  mutable Mutex mutex_;  // one line at a time
  void* file_ GUARDED_BY(mutex_) = nullptr;
};

}  // namespace trident

#define TRIDENT_LOG(logger, level, ...)                                        \
  do {                                                                         \
    if ((logger).IsEnabled(level))                                             \
      (logger).Log(level, __FILE__, __LINE__, ::trident::StrCat(__VA_ARGS__)); \
  } while (false)
