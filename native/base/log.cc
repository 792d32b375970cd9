#include "base/log.h"

#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/status.h"

namespace trident {
namespace {

constexpr char kLetters[] = "IWEI";  // verbose records are information, as in Triton

const char* BaseName(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

// The letter that stands for a control character after a backslash, or 0.
char ShortEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

std::string JsonString(const std::string& message) {
  std::string out = "\"";
  out.reserve(message.size() + 2);
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (const char letter = ShortEscape(c); letter != 0) {
      out += '\\';
      out += letter;
    } else if (byte < 0x20 || byte == 0x7f) {
      char code[8];
      snprintf(code, sizeof(code), "\\u%04X", byte);
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}

bool EnvironmentEscapes() {
  const char* value = getenv("TRITON_SERVER_ESCAPE_LOG_MESSAGES");
  return value == nullptr || strcmp(value, "0") != 0;
}

std::string Heading(const LogRecord& record, bool iso8601) {
  const time_t seconds = static_cast<time_t>(record.timestamp_us / 1000000);
  const auto micros = static_cast<unsigned>(record.timestamp_us % 1000000);
  char text[512];
  tm parts;
  gmtime_r(&seconds, &parts);
  if (iso8601) {
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ %c %d %s:%d] ",
             parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
             parts.tm_sec, kLetters[static_cast<int>(record.level)], static_cast<int>(getpid()),
             BaseName(record.file), record.line);
  } else {
    snprintf(text, sizeof(text), "%c%02d%02d %02d:%02d:%02d.%06u %d %s:%d] ",
             kLetters[static_cast<int>(record.level)], parts.tm_mon + 1, parts.tm_mday,
             parts.tm_hour, parts.tm_min, parts.tm_sec, micros, static_cast<int>(getpid()),
             BaseName(record.file), record.line);
  }
  return text;
}

uint64_t WallClockUs() {
  timeval now;
  gettimeofday(&now, nullptr);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_usec);
}

struct CurrentLogger {
  Mutex mutex;
  std::vector<std::weak_ptr<Logger>> loggers GUARDED_BY(mutex);  // newest last
};

// Leaked: plug-ins may log while the process runs its static destructors.
CurrentLogger& TheCurrentLogger() {
  static auto* current = new CurrentLogger();
  return *current;
}

}  // namespace

Logger::Logger(LogSettings settings)
    : sink_(std::move(settings.sink)), escapes_(EnvironmentEscapes()) {
  SetDetail(settings);
  if (!settings.file.empty()) file_ = fopen(settings.file.c_str(), "ae");
}

Logger::~Logger() {
  if (file_ != nullptr) fclose(static_cast<FILE*>(file_));
}

void Logger::SetDetail(const LogDetail& detail) {
  info_ = detail.info;
  warn_ = detail.warn;
  error_ = detail.error;
  verbose_ = detail.verbose;
  iso8601_ = detail.iso8601;
}

bool Logger::IsEnabled(LogLevel level, int verbose_level) const {
  switch (level) {
    case LogLevel::kInfo:
      return info_;
    case LogLevel::kWarn:
      return warn_;
    case LogLevel::kError:
      return error_;
    case LogLevel::kVerbose:
      return verbose_ >= verbose_level;
  }
  return false;
}

void Logger::Log(LogLevel level, const char* file, int line, const std::string& message) const {
  const LogRecord record{level, file, line, WallClockUs(), message.c_str()};
  if (sink_) {
    sink_(record);
    return;
  }
  const std::string text =
      Heading(record, iso8601_) + (escapes_ ? JsonString(message) : message) + "\n";
  MutexLock lock(mutex_);
  FILE* out = file_ != nullptr ? static_cast<FILE*>(file_) : stderr;
  fwrite(text.data(), 1, text.size(), out);
  fflush(out);
}

std::shared_ptr<Logger> Logger::Current() {
  CurrentLogger& current = TheCurrentLogger();
  {
    MutexLock lock(current.mutex);
    for (auto it = current.loggers.rbegin(); it != current.loggers.rend(); ++it) {
      if (auto logger = it->lock()) return logger;
    }
  }
  static auto* fallback = new std::shared_ptr<Logger>(std::make_shared<Logger>());
  return *fallback;
}

void Logger::SetCurrent(std::weak_ptr<Logger> logger) {
  CurrentLogger& current = TheCurrentLogger();
  MutexLock lock(current.mutex);
  std::erase_if(current.loggers, [](const auto& other) { return other.expired(); });
  current.loggers.push_back(std::move(logger));
}

}  // namespace trident
